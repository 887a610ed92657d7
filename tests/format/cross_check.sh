#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Two programs that were written from docs/format.md apart from each other read one another's objects.
#
# usage: cross_check.sh BUILD_DIR [ROUNDS]
# PYTHON: a Python with the package `cryptography` (python3)
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
write_object=${1:?usage: cross_check.sh BUILD_DIR [ROUNDS]}/tests/format/write_object
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
echo "cross_check: $passed passed, $failed failed"
[ "$failed" = 0 ]
