# SPDX-License-Identifier: Apache-2.0
"""What shell scripts do to files."""
from harness import expect, scenario
from harness.failure import expect_equal


@scenario(notices=("bytes",))
def redirects(fx):
    """Groups, subshells with children, here documents, appends, truncation and descriptors held open: content as on a disk."""
    script = """( echo a; /bin/echo b; dd if=/dev/zero bs=1000 count=3 status=none; cat $W/random ) >group
{ date -u -d @0; /bin/echo "braces"; } >braces
for i in $(seq 200); do echo "line $i" >>log; done
for i in $(seq 20); do /bin/echo "child $i" >>log; done
cat >here <<END
$(seq 100)
END
: >empty
echo gone >cut; : >cut
exec 5>held; echo one >&5; /bin/echo two >&5; echo three >&5; exec 5>&-
exec 6>>held; echo four >&6; exec 6>&-
exec 7<>both; echo written >&7; exec 7>&-
seq 1000 | tee teed | gzip >piped.gz
printf '%s' "no newline" >plain
cat group group >twice; cat twice >>group
"""
    (fx.work / "random").write_bytes(fx.bytes(200_000))
    (fx.work / "disk").mkdir()
    fx.sh(script, cwd=fx.work / "disk")
    fx.sh(script)
    fx.sh("diff -r . $W/disk")
    fx.remount()
    fx.sh("diff -r . $W/disk")
    expect_equal(fx.sh("stat -c %s empty cut"), "0\n0\n", "sizes of the empty files")


@scenario(notices=("bytes",))
def sed_in_place(fx):
    """sed -i, and editors that write a new file and rename it over the old one."""
    fx.sh("seq 1 50000 >numbers; sed -i 's/7/seven/g' numbers; sed -i.bak '1d' numbers; cp numbers numbers.new; echo end >>numbers.new; mv numbers.new numbers")
    fx.remount()
    fx.sh("cmp numbers <(seq 1 50000 | sed 's/7/seven/g; 1d'; echo end); cmp numbers.bak <(seq 1 50000 | sed 's/7/seven/g')")


@scenario()
def listings(fx):
    """ls -lh, du -h, du --apparent-size and df -h show sane numbers."""
    (fx.mnt / "five").write_bytes(fx.bytes(5 * 2**20))
    fx.sh("mkdir folder; echo x >folder/small")
    fx.remount()
    expect("5.0M" in fx.sh("ls -lh five"), "ls -lh does not show 5.0M")
    expect_equal(fx.sh("du -h five").split()[0], "5.0M", "du -h")
    expect_equal(fx.sh("du -b five").split()[0], str(5 * 2**20), "du -b")
    used = int(fx.sh("du -sk .").split()[0])
    expect(5120 <= used <= 5120 + 64, f"du -sk of the whole mount: {used} KiB")
    size, taken, free = (int(word) for word in fx.sh("df -B1 --output=size,used,avail .").splitlines()[1].split())
    expect(size > 2**20 and 0 <= taken <= size and free <= size, f"df: size {size}, used {taken}, available {free}")
    inodes, names = (int(word) for word in fx.sh("stat -f -c '%d %l' .").split())
    expect(inodes >= 0 and names == 255, f"stat -f: {inodes} inodes free, names up to {names} bytes")
    fx.sh("df -h . && df -i . && stat -f .")


@scenario()
def folders(fx):
    """mkdir -p, rmdir of full folders refused, rm -r, a file and a folder taking each other's name, deep paths."""
    fx.sh("mkdir -p a/b/c/d/e/f/g; echo x >a/b/file; fails 'not empty' rmdir a/b; fails exists mkdir a/b")
    fx.sh("rm -r a/b/c; echo now-a-file >a/b/c; test -f a/b/c; rm a/b/c; mkdir a/b/c; echo deep >a/b/c/deep")
    fx.sh("fails 'Is a directory' cat a/b; fails 'Not a directory' ls a/b/file/x; fails 'Not a directory' rmdir a/b/file")
    fx.remount()
    expect_equal(fx.sh("find . | sort"), ".\n./a\n./a/b\n./a/b/c\n./a/b/c/deep\n./a/b/file\n", "find")
    fx.sh("d=$(printf 'level%02d/' $(seq 30)); mkdir -p $d; echo bottom >$d/x; test \"$(cat $d/x)\" = bottom; rm -r level01 a; test -z \"$(ls -A)\"")


@scenario(notices=("loss",))
def empty_folders_stay(fx):
    """A folder without anything in it is still there in a new mount; so is one that became empty."""
    fx.sh("mkdir -p empty nested/empty was-full; touch was-full/x; rm was-full/x")
    fx.remount()
    expect_equal(fx.sh("find . -type d | sort"), ".\n./empty\n./nested\n./nested/empty\n./was-full\n", "folders")
