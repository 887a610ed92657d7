# SPDX-License-Identifier: Apache-2.0
"""Names that break programs."""
import errno
import os

from harness import expect, scenario
from harness.failure import expect_equal

HOSTILE = [
    b"two words", b" leading and trailing ", b"line\nbreak", b"tab\there", b"-rf", b"--help", b"*", b"?", b"[a]", b"$(reboot)", b"`id`", b"a;b", b"a&b=c",
    b"100%", b"%2F", b"%00", b"a+b", b"a#b", b"a=b", b"quote'", b'double"quote', b"back\\slash", b"<xml>&amp;<xml>", b"]]>", b"\x01\x02\x1f\x7f",
    "gr\u00fc\u00dfe".encode(), "gru\u0308\u00dfe".encode(), "\u4e16\u754c".encode(), "\U0001f600".encode(), b"...", b".hidden", b"..more", b"~", b"a:b", b"a|b", b"a\rb",
    b"null", b"a" * 255, ("\u00e9" * 127).encode(), b"x.tar.gz", b"UPPER", b"upper", b"trailing.", b"a,b", b"{a,b}", b"@at", b"!bang", b"a" * 250 + b".part",
]


def folder_name(fx, name):
    """MinIO itself adds nine bytes to the name of a folder's marker; it has room for 246."""
    return name[-246:] if fx.store == "s3" else name


@scenario(notices=("bytes", "loss"))
def hostile_names(fx):
    """Spaces, line breaks, Unicode in two forms, XML, shell and URL signs, 255 bytes: as file, folder, link and in renames."""
    for number, name in enumerate(HOSTILE):
        path = os.path.join(b"/backup/files", name)
        os.makedirs(b"/backup/files", exist_ok=True)
        with open(path, "wb") as file:
            file.write(name + b" %d" % number)
        folder = folder_name(fx, name)
        os.makedirs(os.path.join(b"/backup/folders", folder, folder))
        with open(os.path.join(b"/backup/folders", folder, folder, b"inside"), "wb") as file:
            file.write(name)
        os.symlink(name, os.path.join(b"/backup/folders", folder, b"link"))
    for name in HOSTILE:
        moved = os.path.join(b"/backup/files", name[:240] + b" moved")
        os.rename(os.path.join(b"/backup/files", name), moved)
        os.rename(moved, os.path.join(b"/backup/files", name))
    fx.remount()
    expect_equal(sorted(os.listdir(b"/backup/files")), sorted(HOSTILE), "names of files")
    expect_equal(sorted(os.listdir(b"/backup/folders")), sorted(folder_name(fx, name) for name in HOSTILE), "names of folders")
    for number, name in enumerate(HOSTILE):
        with open(os.path.join(b"/backup/files", name), "rb") as file:
            expect_equal(file.read(), name + b" %d" % number, f"content of {name!r}")
        folder = folder_name(fx, name)
        with open(os.path.join(b"/backup/folders", folder, folder, b"inside"), "rb") as file:
            expect_equal(file.read(), name, f"content inside of {folder!r}")
        expect_equal(os.readlink(os.path.join(b"/backup/folders", folder, b"link")), name, "target of the link")
    fx.sh("rm -rf files folders; test -z \"$(ls -A)\"")


@scenario()
def too_long_names(fx):
    """A name of 256 bytes is ENAMETOOLONG, for every call that makes one; 255 bytes are not."""
    long, path = b"/backup/" + b"n" * 256, b"/backup/" + b"n" * 255
    calls = {"open": lambda p: os.close(os.open(p, os.O_CREAT | os.O_WRONLY)), "mkdir": os.mkdir, "symlink": lambda p: os.symlink(b"x", p), "stat": os.stat,
             "rename": lambda p: os.rename(b"/backup/a", p)}
    os.mkdir(b"/backup/a")
    for name, call in calls.items():
        try:
            call(long)
            raise AssertionError
        except OSError as error:
            expect_equal(error.errno, errno.ENAMETOOLONG, f"{name} of 256 bytes")
        except AssertionError:
            expect(False, f"{name} of 256 bytes succeeded")
    calls["open"](path)
    os.unlink(path)
    try:
        os.mkdir(path)
        os.rmdir(path)
    except OSError as error:
        expect(fx.store == "s3" and error.errno == errno.ENAMETOOLONG, f"mkdir of 255 bytes: {error}")  # MinIO: see folder_name


@scenario(notices=("loss",))
def symlinks(fx):
    """Symbolic links: relative, absolute, dangling, to folders, very long; read back in a new mount; removal leaves the target."""
    target = "x" * 200 + "/" + "y" * 200
    fx.sh(f"mkdir d; echo in >d/file; ln -s d/file rel; ln -s /backup/d abs; ln -s nowhere dangling; ln -s {target} long; ln -sf d/file rel; ln -s .. d/up")
    fx.remount()
    expect_equal(fx.sh("cat rel abs/file; readlink dangling long"), f"in\nin\nnowhere\n{target}\n", "links")
    expect_equal(fx.sh("cat d/up/rel; stat -c %F rel; stat -Lc %F rel; stat -c %s dangling"), "in\nsymbolic link\nregular file\n7\n", "through links")
    fx.sh("rm rel abs; cat d/file; fails 'No such file' cat dangling; mv dangling moved; readlink moved | grep -qx nowhere")
