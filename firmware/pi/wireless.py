"""How well the Pi hears its access point, as the kernel says it. A Pi on a cable says nothing.

Linux keeps one line for each wireless interface in /proc/net/wireless: name, status, link, level (dBm), noise
(wireless-tools, proc(5)); where there is none, only the two lines of headings.
"""

from pathlib import Path

WIRELESS = Path("/proc/net/wireless")


def signal(path: Path = WIRELESS) -> int | None:
    """The level of the first wireless interface, dBm; None: there is none, or it says nothing that is one."""
    try:
        lines = path.read_text("ascii", "replace").splitlines()[2:]
    except OSError:
        return None
    for line in lines:
        fields = line.split()
        try:
            level = int(float(fields[3]))
        except (IndexError, ValueError):
            continue
        if -120 <= level < 0:
            return level
    return None
