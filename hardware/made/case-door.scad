// Made by `python -m hardware` from case/door.toml and case/sizes.csv.
show = "closed";
inner = [64, 136, 30];
wall = 2.4;
floor = 2.4;
front = 2;
post = 8;
post_pilot = 2.5;
// name, place, size, on, holes, pilot, bosses (x, y, height), colour
parts = [
    ["door carrier", [7, 56, 5], [50, 70, 15], "standoffs", [[2, 2], [48, 2], [2, 68], [48, 68]], 1.7, [], "SteelBlue"],
    ["micro-USB plug", [26, 23, 12], [12, 32, 8], "air", [], 0, [], "Peru"],
    ["PN532", [10.5, 9, 24.5], [43, 41, 5], "front", [], 0, [[6.5, 29.5, 5.5], [57.5, 29.5, 5.5]], "SeaGreen"],
    ["RGB light", [29.05, 108.05, 20.9], [5.9, 5.9, 9], "front", [], 0, [], "IndianRed"],
];
// face, middle, size, round
openings = [
    ["front", [32, 111], [5.2, 5.2], true],
    ["back", [32, 15], [14, 9], false],
    ["bottom", [32, 10], [12, 8.5], false],
    ["back", [32, 46], [4.5, 4.5], true],
    ["back", [32, 131], [4.5, 4.5], true],
];
include <../case/case.scad>
