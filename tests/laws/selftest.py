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
    ("banned", "base/banned.h", SPDX, "a call that is no longer banned"),
    ("banned", "fs/c.c", "#pragma GCC diagnostic ignored \"-Wall\"\n", "a warning switched off"),
]


def plant(folder, files):
    for name, text in files.items():
        path = Path(folder, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def breaks(law, folder):
    return subprocess.run([sys.executable, "-B", str(HERE / f"{law}.py"), folder], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 1


def main():
    bad, pending = 0, {}
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
