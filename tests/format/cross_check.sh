#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Two programs that were written from docs/format.md apart from each other read one another's objects.
#
# usage: cross_check.sh BUILD_DIR [ROUNDS]
# PYTHON: a Python with the package `cryptography` (python3)
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
write_object=${1:?usage: cross_check.sh BUILD_DIR [ROUNDS]}/tests/format/write_object
write_backup=$1/tests/format/write_backup
rounds=${2:-8}
python=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
passed=0 failed=0

check() { # check NAME COMMAND...: one line for a failure, silence for success
	local name=$1
	shift
	if "$@" >"$work/said" 2>&1; then passed=$((passed + 1)); else
		failed=$((failed + 1))
		echo "FAIL $name"
		sed 's/^/    /' "$work/said"
	fi
}

python_reads() { # python_reads KEYFILE OBJECT CONTENT
	"$python" -B "$here/reader.py" "$1" "$2" | cmp - "$3"
}

same_size() { # same_size KEYFILE OBJECT CONTENT
	"$python" -B "$here/reader.py" "$1" "$2" --attrs | grep -q "\"size\": $(stat -c %s "$3"),"
}

ends_with() { # ends_with STATUS COMMAND...
	local want=$1 got=0
	shift
	"$@" || got=$?
	[ "$got" = "$want" ]
}

one_size() { # one_size KEY SIZE
	local key=$1 size=$2 object=$work/object content=$work/content
	head -c "$size" /dev/urandom >"$content"
	check "$key $size: write" "$write_object" "$work/$key" "$object" <"$content"
	check "$key $size: python reads C's object" python_reads "$work/$key" "$object" "$content"
	check "$key $size: attributes" same_size "$work/$key" "$object" "$content"
	# The negative twin: one byte anywhere behind the header, changed.
	local at=$((512 + RANDOM * RANDOM % ($(stat -c %s "$object") - 512)))
	local byte=$(($(od -An -tu1 -j "$at" -N 1 "$object") ^ 0x40))
	printf "\\x$(printf %02x "$byte")" | dd of="$object" bs=1 seek="$at" conv=notrunc status=none
	check "$key $size: python refuses byte $at changed" ends_with 13 "$python" -B "$here/reader.py" "$work/$key" "$object"
	check "$key $size: C refuses byte $at changed" ends_with 13 "$write_object" --read "$work/$key" "$object"
}

# ---- A whole backup, written and sealed by C, restored by Python

tree() { # tree FOLDER: a small backup with all that names and attributes can be
	local top=$1
	mkdir -p "$top/db/empty" "$top/.pishop=x"
	head -c 150000 /dev/urandom >"$top/db/c.bson.gz"
	: >"$top/db/nothing"
	printf x >"$top/db/"$'not UTF-8 \xff\xfe "quoted" \\ and\na line'
	printf y >"$top/.pishop=x/.pishop=y"
	ln -s '../elsewhere/ü' "$top/link"
	chmod 0600 "$top/db/c.bson.gz"
	chmod 2750 "$top/db"
	touch -h -d '1969-12-31T23:59:50.123456789Z' "$top/link" "$top/db/nothing"
	echo '{}' >"$top/metadata.json"
	touch -d '2025-11-25T10:30:00.000000005Z' "$top/db" "$top"
}

listing() { # listing FOLDER: names, kinds, modes, owners, times, sizes and targets
	(cd "$1" && find . \( -type d -printf '%P %y %m %U %G %T@\n' -o -printf '%P %y %m %U %G %T@ %s %l\n' \) | LC_ALL=C sort)
}

restored() { # restored OUT: it is what was put in
	diff -r --no-dereference "$work/tree" "$1/$stem" && diff <(listing "$work/tree") <(listing "$1/$stem")
}

restore() { # restore STORE OUT [STEM]
	rm -rf "$2"
	"$python" -B "$here/restore.py" "$work/raw" "$1" backups acme "${3:-$stem}" "$2"
}

ends_and_says() { # ends_and_says STATUS WORDS COMMAND...
	local want=$1 words=$2
	shift 2
	ends_with "$want" "$@" >"$work/words" 2>&1 || { cat "$work/words" && return 1; }
	cat "$work/words"
	grep -qe "$words" "$work/words"
}

refused() { # refused STATUS WORDS NAME: restoring the altered copy ends so, and names what is wrong; then it is as it was
	check "restore: $3" ends_and_says "$1" "$2" restore "$work/altered" "$work/out"
	rm -rf "$work/altered"
	cp -a "$work/store" "$work/altered"
}

flip() { # flip FILE AT
	printf "\\x$(printf %02x $(($(od -An -tu1 -j "$2" -N 1 "$1") ^ 0x40)))" | dd of="$1" bs=1 seek="$2" conv=notrunc status=none
}

whole_backup() {
	stem=db-20251125-103000
	local live=$work/altered/backups/acme seals=$work/altered/backups/.pishop/t/acme/seals
	mkdir "$work/store" "$work/tree"
	tree "$work/tree"
	check "write a backup" "$write_backup" "$work/raw" "$work/store" "$work/tree" acme "$stem"
	check "restore it" restore "$work/store" "$work/out"
	check "it is what was written" restored "$work/out"
	cp -a "$work/store" "$work/altered"
	rm "$live/$stem/db/c.bson.gz"
	refused 15 'c.bson.gz: missing' "an object is missing"
	flip "$live/$stem/db/c.bson.gz" 70000
	refused 15 'c.bson.gz: damaged: record 1' "a byte is changed"
	truncate -s -1 "$live/$stem/metadata.json"
	refused 15 'metadata.json: cut' "an object is cut"
	echo plain >"$live/$stem/metadata.json"
	refused 15 'metadata.json: foreign' "an object is replaced by a plain one"
	cp "$live/$stem/db/nothing" "$live/$stem/metadata.json"
	refused 15 'metadata.json: another object' "an object is replaced by another"
	cp "$live/$stem/metadata.json" "$live/$stem/db/more"
	refused 15 'db/more: extra' "an object is added"
	cp "$live/$stem/metadata.json" "$live/$stem.log"
	refused 15 "$stem.log: extra" "an object is added beside the folder"
	cp "$live/$stem/metadata.json" "$live/db-20251125-103001.log"
	check "restore: another backup beside it" restore "$work/altered" "$work/out"
	rm "$live/$stem/db/.pishop=folder"
	refused 15 'db: missing' "a folder's marker is missing"
	find "$work/altered" -name .pishop=folder -delete
	check "restore: a copy without any marker" restore "$work/altered" "$work/out"
	check "restore: with its folders all the same" restored "$work/out"
	rm -rf "$work/altered"
	cp -a "$work/store" "$work/altered"
	flip "$seals/$stem" 700
	refused 13 'damaged: record 0' "the seal is damaged"
	rm "$seals/$stem"
	refused 16 'no seal' "the seal is missing"
	cp "$live/$stem/metadata.json" "$seals/$stem"
	refused 13 'it is not a record' "a file stands in the seal's place"
	mkdir "$work/tree2" && tree "$work/tree2"
	check "write another backup" "$write_backup" "$work/raw" "$work/altered" "$work/tree2" acme other
	cp "$seals/other" "$seals/$stem"
	refused 13 'that of acme/other' "another's seal"
	check "write an archive beside it" "$write_backup" "$work/raw" "$work/altered" "$work/tree/db/c.bson.gz" acme "$stem.tar.gz"
	check "the folder was sealed, and stays so" restore "$work/altered" "$work/out"
	check "restore: both" test -s "$work/out/$stem.tar.gz" -a -s "$work/out/$stem/metadata.json"
	rm "$seals/$stem"
	check "seal again" "$write_backup" "$work/raw" "$work/altered" "$work/tree/db/c.bson.gz" acme "$stem.tar.gz"
	check "restore: the folder is scratch now" restore "$work/altered" "$work/out"
	check "restore: the archive alone" test -s "$work/out/$stem.tar.gz" -a ! -e "$work/out/$stem"
}

# ---- The other records, written by C, read by Python

records() { # records STORE [TENANT]
	"$python" -B "$here/records.py" "$work/raw" "$1" backups "${2:-acme}" >"$work/records"
}

told() { # told KIND...: of each there is one at least, in what records said last
	local kind
	for kind in "$@"; do
		grep -q "\"record\": \"$kind" "$work/records" || { echo "no $kind" && return 1; }
	done
}

misses() { # misses WORDS NAME: the altered copy is not whole, and that is told; then it is as it was
	check "records: $2" ends_and_says 13 "$1" records "$work/altered"
	rm -rf "$work/altered"
	cp -a "$work/kept" "$work/altered"
}

all_records() {
	local top=$work/altered/backups/.pishop/t/acme log
	rm -rf "$work/altered"
	cp -a "$work/store" "$work/kept"
	check "write every record" "$write_backup" "$work/raw" "$work/kept" --records acme "$stem"
	check "write another tenant's" "$write_backup" "$work/raw" "$work/kept" "$work/tree" other "$stem"
	check "read them" records "$work/kept"
	check "each kind is there" told tombstones/ reopen/ trash/ audit/ control/policy control/holds control/lease control/retention
	check "the events" grep -q '"event": "restored", "backup": "'"$stem"'", "detail": "read \\"by\\" \\udcfe\\n"' "$work/records"
	check "another tenant's, too" records "$work/kept" other
	cp -a "$work/kept" "$work/altered"
	log=("$top"/audit/*) # the newest first
	[ ${#log[@]} -ge 3 ] || { echo "FAIL too few segments: ${#log[@]}" && failed=$((failed + 1)); }
	truncate -s -1 "${log[0]}"
	misses "segment ${#log[@]}: cut" "the newest segment is cut"
	flip "${log[1]}" 700
	misses "segment $((${#log[@]} - 1)): damaged" "a segment is changed"
	rm "${log[1]}"
	misses "segment $((${#log[@]} - 1)): missing" "a segment is missing"
	mv "${log[-1]}" "$work/one" && mv "${log[-2]}" "${log[-1]}" && mv "$work/one" "${log[-2]}"
	misses 'segment 1: damaged: record: line 1 does not follow' "two segments are exchanged"
	rm "${log[@]:0:${#log[@]}-1}"
	misses 'segment 2: missing: there were' "the newest segments are removed"
	cp "$work/kept/backups/.pishop/t/other/audit/9999999999999998" "${log[-1]}"
	misses "segment 1: damaged: record: a line of another tenant" "another tenant's log"
	mv "$top/tombstones/$stem" "$top/tombstones/another"
	misses "tombstones/another: damaged: record: it is that of $stem" "a tombstone is moved"
	flip "$top/control/holds" 600
	misses "control/holds: damaged" "the holds are changed"
	cp "$top/control/holds" "$top/control/policy"
	misses "control/policy: damaged: record: it is no record of policy" "the holds in the policy's place"
	cp "$work/kept/backups/acme/$stem/metadata.json" "$top/control/lease"
	misses "control/lease: damaged: record: it is not a record" "a file in the lease's place"
}

head -c 32 /dev/urandom | base64 >"$work/raw"
echo "a passphrase of this run $RANDOM" >"$work/passphrase"

check "reader.py and the vectors" "$python" -B "$here/check_reader.py"
for size in 0 1 65535 65536 65537 131072; do
	one_size raw "$size"
done
for ((i = 0; i < rounds; i++)); do
	one_size raw $(((RANDOM * 32768 + RANDOM) % (1 << (1 + RANDOM % 20))))
done
one_size passphrase 70000
whole_backup
all_records
echo "cross_check: $passed passed, $failed failed"
[ "$failed" = 0 ]
