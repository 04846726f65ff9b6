"""What the Pi says of its access point."""

from firmware.pi.wireless import signal

HEADINGS = """Inter-| sta-|   Quality        |   Discarded packets               | Missed | WE
 face | tus | link level noise |  nwid  crypt   frag  retry   misc | beacon | 22
"""


def test_the_level_of_the_first_wireless_interface_is_told(tmp_path):
    path = tmp_path / "wireless"
    path.write_text(HEADINGS + " wlan0: 0000   58.  -52.  -256        0      0      0      0     11        0\n")
    assert signal(path) == -52


def test_a_pi_on_a_cable_and_a_kernel_that_says_nonsense_say_nothing(tmp_path):
    path = tmp_path / "wireless"
    assert signal(path) is None
    path.write_text(HEADINGS)
    assert signal(path) is None
    path.write_text(HEADINGS + " wlan0: 0000   x.  y.  z\n wlan1: 0000   5.  7.  0 0 0 0 0 0 0\n")
    assert signal(path) is None
