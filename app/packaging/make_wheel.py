#!/usr/bin/env python3
"""Makes a wheel of a built eet: the one program, which pip puts on PATH, and nothing of Python.

Usage: app/packaging/make_wheel.py [BUILD [OUT]]   (default: build dist)

The wheel also carries the program's libsentencepiece and the manual pages. Needs only Python's
standard library, cmake and readelf.
"""

import base64
import hashlib
import pathlib
import re
import subprocess
import sys
import tempfile
import zipfile

METADATA = """Metadata-Version: 2.1
Name: eet
Version: {version}
Summary: Bulk text generation with transformer models
License: MIT
Provides-Extra: cuda
Requires-Dist: nvidia-cublas{cublas}; extra == 'cuda'
"""


def run(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def cache_entry(build, name):
    cache = (build / "CMakeCache.txt").read_text()
    found = re.search(rf"^{name}:\w+=(.*)$", cache, re.MULTILINE)
    return found.group(1) if found else ""


def glibc_version(files):
    """The newest version of glibc that a file asks for."""
    needed = set()
    for file in files:
        text = run("readelf", "--version-info", "--wide", str(file))
        needed |= {tuple(map(int, found)) for found in re.findall(r"GLIBC_(\d+)\.(\d+)", text)}
    return max(needed)


def record_line(name, data):
    digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
    return f"{name},sha256={digest},{len(data)}\n"


def write_wheel(path, files):
    """files: name in the wheel to (bytes, mode)."""
    info = next(name for name in files if name.endswith("/WHEEL")).rsplit("/", 1)[0]
    record = "".join(record_line(name, data) for name, (data, _) in files.items())
    files[f"{info}/RECORD"] = ((record + f"{info}/RECORD,,\n").encode(), 0o644)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as wheel:
        for name, (data, mode) in files.items():
            entry = zipfile.ZipInfo(name)  # of a fixed date: the same build gives the same wheel
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = (0o100000 | mode) << 16
            wheel.writestr(entry, data)


def main():
    build = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "build")
    out = pathlib.Path(sys.argv[2] if len(sys.argv) > 2 else "dist")
    with tempfile.TemporaryDirectory() as scratch:
        prefix = pathlib.Path(scratch)
        run("cmake", "--install", str(build), "--prefix", scratch, "--strip")
        program = prefix / "bin" / "eet"
        version = re.match(r"eet (\S+)", run(str(program), "--version")).group(1)
        # Links become files: a wheel has none.
        bundled = [file for file in (prefix / "lib/eet").glob("*") if file.is_symlink()]
        major, minor = glibc_version([program, *bundled])
        tag = f"py3-none-manylinux_{major}_{minor}_{run('uname', '-m').strip()}"

        cuda = re.search(r"for CUDA (\d+)", run(str(program), "--version"))
        cublas = f"-cu{cuda.group(1)}" if cuda and int(cuda.group(1)) < 13 else ""
        data, info = f"eet-{version}.data", f"eet-{version}.dist-info"
        files = {f"{data}/scripts/eet": (program.read_bytes(), 0o755)}
        for library in bundled:
            files[f"{data}/data/lib/eet/{library.name}"] = (library.read_bytes(), 0o644)
        for page in sorted((prefix / "share/man/man1").iterdir()):
            files[f"{data}/data/share/man/man1/{page.name}"] = (page.read_bytes(), 0o644)
        files[f"{info}/METADATA"] = (METADATA.format(version=version, cublas=cublas).encode(), 0o644)
        wheel = f"Wheel-Version: 1.0\nGenerator: eet\nRoot-Is-Purelib: false\nTag: {tag}\n"
        files[f"{info}/WHEEL"] = (wheel.encode(), 0o644)
        source = pathlib.Path(cache_entry(build, "CMAKE_HOME_DIRECTORY"))
        files[f"{info}/LICENSE"] = ((source / "LICENSE").read_bytes(), 0o644)

    out.mkdir(parents=True, exist_ok=True)
    path = out / f"eet-{version}-{tag}.whl"
    write_wheel(path, files)
    print(path)


if __name__ == "__main__":
    main()
