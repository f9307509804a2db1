"""Peers live in environments of their own, `<folder>/<peer>`, made from benchmarks/requirements/<peer>.txt."""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

REQUIREMENTS = Path(__file__).resolve().parents[1] / "requirements"
PEERS = sorted(path.stem for path in REQUIREMENTS.glob("*.txt"))


def stamp_of(peer):
    return hashlib.sha256((REQUIREMENTS / f"{peer}.txt").read_bytes()).hexdigest()


def python_of(folder, peer):
    """The interpreter of a peer's environment. None where it is not installed, or at other versions than are pinned."""
    stamp = folder / peer / "requirements.sha256"
    if stamp.exists() and stamp.read_text() == stamp_of(peer):
        return folder / peer / "bin" / "python"
    # The suite's own interpreter will do where the very versions are there: the test needs no second pyarrow.
    return Path(sys.executable) if has_pinned(peer) else None


def has_pinned(peer):
    from importlib.metadata import PackageNotFoundError, version

    lines = (REQUIREMENTS / f"{peer}.txt").read_text().splitlines()
    pinned = [line.split()[0].split("==") for line in lines if "==" in line and not line.startswith("#")]
    try:
        return all(version(name) == number for name, number in pinned)
    except PackageNotFoundError:
        return False


def install(folder, peers):
    """Makes the environments that are missing or have other versions; returns those that could not be made."""
    failed = []
    for peer in peers:
        place = folder / peer
        stamp = place / "requirements.sha256"
        if stamp.exists() and stamp.read_text() == stamp_of(peer):
            continue
        print(f"installing {peer}", file=sys.stderr, flush=True)
        shutil.rmtree(place, ignore_errors=True)
        pip = [place / "bin" / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        wanted = ["--require-hashes", "--only-binary", ":all:", "-r", REQUIREMENTS / f"{peer}.txt"]
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        try:
            subprocess.run([sys.executable, "-m", "venv", place], check=True, env=environment)
            subprocess.run([*pip, *wanted], check=True, env=environment)
        except subprocess.CalledProcessError as error:
            print(f"{peer} could not be installed: {error}", file=sys.stderr)
            failed.append(peer)
            continue
        stamp.write_text(stamp_of(peer))
    return failed
