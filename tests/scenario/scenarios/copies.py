# SPDX-License-Identifier: Apache-2.0
"""Everyday tools that copy and move: what goes in comes out, content and attributes."""
import os

from harness import expect, scenario, trees
from harness.failure import expect_equal


def owned(folder):
    """A tree whose files belong to several users."""
    trees.fill(folder)
    for number, path in enumerate(sorted(folder.rglob("*"))):
        os.chown(path, 1000 + number % 3, 2000 + number % 2, follow_symlinks=False)
    return folder


@scenario(notices=("bytes", "loss"))
def cp_in_and_out(fx):
    """cp -r into the mount and, from a new mount, out again: every byte of every file."""
    tree = trees.fill(fx.work / "tree")
    fx.sh("cp -r $W/tree .")
    fx.remount()
    fx.sh("cp -r tree $W/out; diff -r --no-dereference tree $W/tree")
    trees.same(trees.snapshot(fx.work / "out", times=False, owners=False), trees.snapshot(tree, times=False, owners=False), "copied out")


@scenario(notices=("bytes", "attrs", "loss"))
def cp_archive(fx):
    """cp -a keeps modes, owners, times to the nanosecond, links and empty folders, through a new mount, in and out."""
    wanted = trees.snapshot(owned(fx.work / "tree"))
    fx.sh("cp -a $W/tree copy")
    trees.same(trees.snapshot(fx.mnt / "copy"), wanted, "after cp -a")
    fx.remount()
    trees.same(trees.snapshot(fx.mnt / "copy"), wanted, "after a new mount")
    fx.sh("cp -a copy $W/out")
    trees.same(trees.snapshot(fx.work / "out"), wanted, "after cp -a out")


@scenario(notices=("bytes", "attrs", "loss"))
def rsync_twice(fx):
    """rsync -a: the second run, and one from a new mount that compares checksums, have nothing to do."""
    wanted = trees.snapshot(owned(fx.work / "tree"))
    fx.sh("rsync -a $W/tree/ copy/")
    expect_equal(fx.sh("rsync -ai $W/tree/ copy/"), "", "second rsync")
    fx.remount()
    expect_equal(fx.sh("rsync -ai $W/tree/ copy/"), "", "rsync from a new mount")
    expect_equal(fx.sh("rsync -aic $W/tree/ copy/"), "", "rsync by checksum from a new mount")
    trees.same(trees.snapshot(fx.mnt / "copy"), wanted, "after rsync")
    fx.sh("echo changed >>$W/tree/d1/file-1.bin; rm $W/tree/d0/file-5.bin; rsync -a --delete $W/tree/ copy/; rsync -a --inplace -c copy/ $W/back/")
    trees.same(trees.snapshot(fx.work / "back"), trees.snapshot(fx.work / "tree"), "after rsync --delete and back")


@scenario(notices=("bytes",))
def sums_and_find(fx):
    """sha256sum -c from a new mount; find by type, size, emptiness, name and time; stat."""
    trees.fill(fx.work / "tree")
    fx.sh("cd $W/tree; find . -type f -print0 | xargs -0 sha256sum >$W/sums; cp -a $W/tree $W/sums /backup/")
    fx.remount()
    fx.sh("cd tree; sha256sum --quiet -c ../sums")
    for question in ("-type f", "-type d", "-type l", "-empty", "-size +100k", "-name '*7*'", "-newermt 2024-06-01", "-perm 600", "-links 1 -type f"):
        expect_equal(fx.sh(f"cd tree; find . {question} | sort"), fx.sh(f"cd $W/tree; find . {question} | sort"), f"find {question}")
    stat = "stat -c '%n %s %F %a %u %g %Y' tree/d0/file-5.bin tree/link tree/d1/file-1.bin"
    expect_equal(fx.sh(stat), fx.sh(f"cd $W; {stat}"), "stat")


@scenario(notices=("bytes", "loss"))
def move(fx):
    """mv of files, over files, of links, of full and empty folders, in, within and out."""
    wanted = trees.snapshot(trees.fill(fx.work / "tree"))
    fx.sh("mv $W/tree one; mv one two; mkdir three; mv two three/; mv three/two/d0/file-5.bin three/two/d0/renamed; "
          "mv three/two/d0/renamed three/two/d0/file-5.bin; echo old >a; echo new >b; mv -f b a; mv three/two/link x; mv x three/two/link; "
          "mkdir e; mv e f; rmdir f; test \"$(cat a)\" = new; test ! -e b; test ! -e two; test ! -e one")
    trees.same(trees.snapshot(fx.mnt / "three/two"), wanted, "moved")
    fx.remount()
    expect_equal(fx.sh("ls"), "a\nthree\n", "ls")
    trees.same(trees.snapshot(fx.mnt / "three/two"), wanted, "moved, from a new mount")
    fx.sh("mv three/two $W/out; rmdir three")
    trees.same(trees.snapshot(fx.work / "out"), wanted, "moved out")


@scenario(notices=("bytes",))
def openssl_enc(fx):
    """openssl enc writes into the mount and reads from it."""
    (fx.work / "clear").write_bytes(fx.bytes(3_000_001))
    enc = "openssl enc -aes-256-cbc -pbkdf2 -pass pass:secret"
    fx.sh(f"cp $W/clear clear; {enc} -in clear -out cipher; cat clear | {enc} >piped")
    fx.remount()
    fx.sh(f"{enc} -d -in cipher -out again; cmp again $W/clear; {enc} -d <piped | cmp - $W/clear; cmp clear $W/clear")


@scenario(notices=("bytes", "loss"))
def tar_and_split(fx):
    """tar into split in the mount, parts of a million bytes, and back through cat; also a checksum file beside them."""
    wanted = trees.snapshot(trees.fill(fx.work / "tree"), times="seconds")
    fx.sh("tar -C $W -cf - tree | split -b 1000000 - all.tar.; sha256sum all.tar.* >all.sha256; ls | wc -l")
    fx.remount()
    fx.sh("sha256sum --quiet -c all.sha256; mkdir out; cat all.tar.* | tar -C out -xf -")
    trees.same(trees.snapshot(fx.mnt / "out/tree", times="seconds"), wanted, "tar out of the parts, within the mount")


@scenario(notices=("bytes", "attrs", "loss"))
def tar_over_existing(fx):
    """tar -x twice into the same place, the second time over what is there; tar --compare finds no difference."""
    wanted = trees.snapshot(owned(fx.work / "tree"), times="seconds")
    fx.sh("tar -C $W -czf t.tar.gz tree; tar -xzf t.tar.gz; tar -xzf t.tar.gz; tar --compare -zf t.tar.gz")
    trees.same(trees.snapshot(fx.mnt / "tree", times="seconds"), wanted, "after tar -x")
    fx.remount()
    trees.same(trees.snapshot(fx.mnt / "tree", times="seconds"), wanted, "from a new mount")
    fx.sh("tar --compare -zf t.tar.gz")


@scenario()
def thousand_small_files(fx):
    """cp -r of a thousand files, ls -lR, du, and rm -rf, which leaves nothing."""
    for number in range(1000):
        folder = fx.work / f"many/d{number % 10}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"f{number}").write_bytes(fx.bytes(number))
    fx.sh("cp -r $W/many .")
    expect_equal(fx.sh("ls -lR many | grep -c '^-'").strip(), "1000", "files in ls -lR")
    fx.remount()
    fx.sh("diff -r $W/many many; rm -rf many; test ! -e many; ls -A | wc -l | grep -qx 0")
    fx.remount()
    expect(not list(fx.mnt.iterdir()), "rm -rf left something")
