// Made by `python -m hardware` from case/kiosk.toml and case/sizes.csv.
show = "closed";
inner = [196, 150, 66];
wall = 3;
floor = 3;
front = 2.4;
post = 9;
post_pilot = 2.5;
// name, place, size, on, holes, pilot, bosses (x, y, height), colour
parts = [
    ["Pi 4 with carrier", [20, 60, 6], [85, 56, 36], "standoffs", [[3.5, 3.5], [61.5, 3.5], [3.5, 52.5], [61.5, 52.5]], 2.1, [], "SteelBlue"],
    ["Pi plugs right", [105.5, 60, 6], [45, 56, 18], "air", [], 0, [], "Peru"],
    ["Pi plugs below", [22, 31, 6], [60, 28, 12], "air", [], 0, [], "SeaGreen"],
    ["display", [37.4, 50, 45.4], [121.11, 95.24, 20], "front", [], 0, [[33.4, 97.62, 9], [162.51, 97.62, 9]], "IndianRed"],
    ["PN532", [14, 5, 60.5], [43, 41, 5], "front", [], 0, [[10, 25.5, 5.5], [61, 25.5, 5.5]], "MediumPurple"],
    ["RGB light", [85.05, 22.05, 56.5], [5.9, 5.9, 9], "front", [], 0, [], "Goldenrod"],
    ["fingerprint sensor", [104, 14, 44], [56, 24, 21.5], "front", [], 0, [[100, 26, 12], [164, 26, 12]], "CadetBlue"],
    ["NMEA receiver", [168, 100, 53], [25, 35, 12], "tape", [], 0, [], "Sienna"],
    ["lid switch", [168, 40, 49.6], [20, 7, 16], "column", [], 0, [], "DarkKhaki"],
];
// face, middle, size, round
openings = [
    ["front", [97.955, 97.62], [109, 66], false],
    ["front", [88, 25], [5.2, 5.2], true],
    ["front", [132, 26], [22, 18], false],
    ["bottom", [40, 12], [14, 9], false],
    ["bottom", [130, 14], [18, 16], false],
    ["back", [14, 135], [4.5, 4.5], true],
    ["back", [182, 135], [4.5, 4.5], true],
    ["back", [98, 16], [4.5, 4.5], true],
    ["top", [50, 20], [3, 24], false],
    ["top", [58, 20], [3, 24], false],
    ["top", [66, 20], [3, 24], false],
    ["top", [74, 20], [3, 24], false],
    ["top", [82, 20], [3, 24], false],
    ["top", [90, 20], [3, 24], false],
    ["top", [98, 20], [3, 24], false],
    ["top", [106, 20], [3, 24], false],
    ["top", [114, 20], [3, 24], false],
    ["top", [122, 20], [3, 24], false],
    ["top", [130, 20], [3, 24], false],
    ["top", [138, 20], [3, 24], false],
    ["top", [146, 20], [3, 24], false],
    ["bottom", [60, 36], [3, 16], false],
    ["bottom", [68, 36], [3, 16], false],
    ["bottom", [76, 36], [3, 16], false],
    ["bottom", [84, 36], [3, 16], false],
    ["bottom", [92, 36], [3, 16], false],
    ["bottom", [100, 36], [3, 16], false],
    ["bottom", [108, 36], [3, 16], false],
    ["bottom", [116, 36], [3, 16], false],
];
include <../case/case.scad>
