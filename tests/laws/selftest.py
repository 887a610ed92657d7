#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The laws' negative twins: a small tree that keeps every law, then one breach at a time, each of which must be noticed."""
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
SPDX = "/* SPDX-License-Identifier: Apache-2.0 */\n"
GOOD = {
    "base/buf.h": SPDX + "/* Explained. */\nint buf_new(int size);\n",
    "base/banned.h": (HERE.parents[1] / "base/banned.h").read_text(),
    "vault/writer.c": SPDX + '#include "base/buf.h"\n#include "s3/store.h"\n',
    "s3/http.c": SPDX + "#include <curl/curl.h>\n",
    "s3/store.h": SPDX + '#include "base/buf.h"\n',
    "fs/fuse_ops.c": SPDX + "#include <fuse_lowlevel.h>\n",
    "meson.build": "# SPDX-License-Identifier: Apache-2.0\n# base/banned.h\n",
    "docs/design.md": "**base/**\n\n- `buf.h, banned.h`: explained\n\n**vault/**\n\n- `writer.c`: explained\n\n**s3/**\n\n- `http.c`: explained\n- `store.h`: explained\n\n"
                      "**fs/**\n\n- `fuse_ops.c`: explained\n",
    "docs/links.md": "# A page\n\n## It's `all` here\n\n## Twice\n\n## Twice\n\nto [it](design.md), [here](#its-all-here), [again](links.md#twice-1), [far](https://x.invalid/y)"
                     " and `[no](link)`\n\n```\n# [no](link) either\n```\n",
}
FAR = "/" + "work/tree/file"
BREACHES = [
    ("includes", "base/buf.c", '#include "s3/store.h"\n', "a room that includes upwards"),
    ("includes", "fs/file.c", '#include "s3/store.h"\n', "a room that skips a floor"),
    ("includes", "s3/near.c", '#include "store.h"\n', "a path that is not from the top"),
    ("includes", "vault/net.c", "#include <curl/curl.h>\n", "curl outside of its file"),
    ("includes", "vault/hash.c", "#include <openssl/evp.h>\n", "OpenSSL outside of crypto/"),
    ("includes", "fs/a.c", "#include <fuse.h>\n", None),
    ("includes", "fs/b.h", "#include <fuse3/fuse.h>\n", "FUSE in three files"),
    ("includes", "base/buf.h", SPDX + '#include "base/x.h"\n', None),
    ("includes", "base/x.h", SPDX + '#include "base/buf.h"\n', "headers in a circle"),
    ("headers", "base/y.h", SPDX + "#pragma once\n\nint y_new(int a,\n\tint b);\n", "a function without a comment"),
    ("sizes", "base/long.c", "int f(void)\n{\n" + "\t;\n" * 120 + "}\n", "a function that is too long"),
    ("sizes", "base/file.c", "int x;\n" * 801, "a file that is too long"),
    ("texts", "docs/notes.md", f"see {FAR}\n", "a path of somebody's machine"),
    ("texts", "base/z.c", SPDX + "/* TO" + "DO later */\n", "something left to do"),
    ("texts", "base/w.c", "int x;\n", "a source without a licence"),
    ("docs", "vault/new.c", SPDX, "a file that the design does not name"),
    ("docs", "docs/design.md", GOOD["docs/design.md"] + "- `gone.c`: explained\n", "a file that the design names and that is not there"),
    ("docs", "docs/design.md", GOOD["docs/design.md"] + "- `fuse_ops.c`: once more\n", "a file that the design names twice"),
    ("docs", "docs/more.md", "see [there](gone.md)\n", "a link that leads nowhere"),
    ("docs", "docs/more.md", "see [there](links.md#missing)\n", "a link to a heading that is not there"),
    ("docs", "docs/more.md", "see [there](links.md#twice-2)\n", "a link to a third heading of two"),
    ("docs", "docs/more.md", "# Head\n\n```\n# code\n```\n\n[there](#code)\n", "a link to a heading that is code"),
    ("banned", "base/banned.h", SPDX, "a call that is no longer banned"),
    ("banned", "fs/c.c", "#pragma GCC diagnostic ignored \"-Wall\"\n", "a warning switched off"),
]


def plant(folder, files):
    for name, text in files.items():
        path = Path(folder, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def breaks(law, folder, *more):
    return subprocess.run([sys.executable, "-B", str(HERE / f"{law}.py"), folder, *more], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 1


def table_twins():
    """What is wrong with the watch over README's table; `echo --help-markdown` is the program that prints one."""
    marks = "<!-- configuration: begin (x) -->\n{}<!-- configuration: end -->\n"
    for text, broken in ((marks.format("--help-markdown\n"), False), (marks.format("--old\n"), True), ("--help-markdown\n", True)):
        with tempfile.TemporaryDirectory() as folder:
            plant(folder, {**GOOD, "README.md": text})
            if breaks("docs", folder, "echo") != broken:
                yield f"docs: judges this README wrongly: {text}"


def main():
    bad, pending = 0, {}
    for wrong in table_twins():
        bad += 1
        print(wrong)
    with tempfile.TemporaryDirectory() as folder:
        plant(folder, GOOD)
        for law in sorted({law for law, *_ in BREACHES}):
            if breaks(law, folder):
                bad += 1
                print(f"{law}: refuses a tree that keeps the law")
    for law, name, text, what in BREACHES:
        pending[name] = text
        if what is None:
            continue
        with tempfile.TemporaryDirectory() as folder:
            plant(folder, {**GOOD, **pending})
            if not breaks(law, folder):
                bad += 1
                print(f"{law}: does not notice {what}")
        pending = {}
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
