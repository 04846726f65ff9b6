// A case of two printed pieces, base and front. What is made of this file begins with the values of one case:
// made/case-door.scad, made/case-kiosk.scad (from case/*.toml). Millimetres.
// show: "base" and "front" to print, "open" and "closed" to look at.

outer = [inner.x + 2 * wall, inner.y + 2 * wall];
round_by = 4;
lip = 3;          // how far the front's rim reaches into the base
lip_gap = 0.25;   // room for the printer
screw = 3.4;      // M3 goes through
screw_head = 6.4;
boss = 7;
$fn = 24;

module rounded(size, height, r) {
    linear_extrude(height) offset(r) offset(-r) square(size);
}

// Posts at the corners of the inner room.
module at_posts() {
    for (x = [0, inner.x - post], y = [0, inner.y - post]) translate([x, y, 0]) children();
}

// One opening: [face, [u, v], [width, height], round]. Cut through the shell of `thick` from inside outwards.
module cut(hole, faces) {
    face = hole[0]; at = hole[1]; size = hole[2]; through = 12;
    if (len(search([face], faces)) > 0 && search([face], faces)[0] != []) {
        if (face == "front") translate([at.x, at.y, inner.z - 6]) bar(size, hole[3], through);
        if (face == "back") translate([at.x, at.y, -floor - 1]) bar(size, hole[3], floor + 2);
        if (face == "bottom") translate([at.x, 1, at.y]) rotate([90, 0, 0]) bar(size, hole[3], wall + 3);
        if (face == "top") translate([at.x, inner.y + wall + 1, at.y]) rotate([90, 0, 0]) bar(size, hole[3], wall + 3);
    }
}

module bar(size, is_round, height) {
    if (is_round) cylinder(d = size.x, h = height);
    else translate([-size.x / 2, -size.y / 2, 0]) cube([size.x, size.y, height]);
}

module base() {
    difference() {
        union() {
            difference() {
                translate([-wall, -wall, -floor]) rounded(outer, floor + inner.z, round_by);
                cube([inner.x, inner.y, inner.z + 1]);
            }
            difference() {
                at_posts() cube([post, post, inner.z - lip]);
                at_posts() translate([post / 2, post / 2, 4]) cylinder(d = post_pilot, h = inner.z);
            }
            for (p = parts) if (p[3] == "standoffs") standoffs(p);
            for (p = parts) if (p[3] == "column") translate([p[1].x, p[1].y, 0]) cube([p[2].x, p[2].y, p[1].z]);
        }
        for (hole = openings) cut(hole, ["back", "bottom", "top"]);
    }
}

module standoffs(p) {
    for (hole = p[4]) translate([p[1].x + hole.x, p[1].y + hole.y, 0]) difference() {
        cylinder(d = p[5] + 3.4, h = p[1].z);
        translate([0, 0, -0.01]) cylinder(d = p[5], h = p[1].z + 1);
    }
}

module front() {
    difference() {
        union() {
            translate([-wall, -wall, inner.z]) rounded(outer, front, round_by);
            rim();
            for (p = parts) if (p[3] == "front") holder(p);
        }
        at_posts() translate([post / 2, post / 2, inner.z - lip - 1]) {
            cylinder(d = screw, h = front + lip + 2);
            translate([0, 0, lip + 1 + front - 1.6]) cylinder(d1 = screw, d2 = screw_head, h = 1.61);
        }
        for (hole = openings) cut(hole, ["front"]);
        for (p = parts) if (p[0] == "PN532") card_mark(p);
    }
}

// Where the card is held: a frame and three waves, cut 0.5 mm into the front.
module card_mark(p) {
    translate([p[1].x + p[2].x / 2, p[1].y + p[2].y / 2, inner.z + front - 0.5]) linear_extrude(1) {
        difference() {
            square([40, 28], center = true);
            square([38, 26], center = true);
        }
        for (r = [4, 8, 12]) translate([-6, 0]) intersection() {
            difference() { circle(r + 0.6); circle(r - 0.6); }
            polygon([[0, 0], [20, -14], [20, 14]]);
        }
    }
}

module rim() {
    difference() {
        translate([lip_gap, lip_gap, inner.z - lip]) cube([inner.x - 2 * lip_gap, inner.y - 2 * lip_gap, lip]);
        translate([lip_gap + 1.6, lip_gap + 1.6, inner.z - lip - 1])
            cube([inner.x - 2 * lip_gap - 3.2, inner.y - 2 * lip_gap - 3.2, lip + 2]);
        at_posts() translate([-lip_gap, -lip_gap, inner.z - lip - 1]) cube([post + 2 * lip_gap, post + 2 * lip_gap, lip + 2]);
    }
}

// A ridge around a part behind the front, and where the part is a board two bosses whose screws hold it with washers.
module holder(p) {
    gap = 0.3; ridge = 1.2; deep = min(2.5, p[2].z / 2);
    if (p[2].x > 10) {
        difference() {
            translate([p[1].x - gap - ridge, p[1].y - gap - ridge, inner.z - deep])
                cube([p[2].x + 2 * (gap + ridge), p[2].y + 2 * (gap + ridge), deep]);
            translate([p[1].x - gap, p[1].y - gap, inner.z - deep - 1])
                cube([p[2].x + 2 * gap, p[2].y + 2 * gap, deep + 1]);
        }
        for (boss_at = p[6]) translate([boss_at.x, boss_at.y, inner.z - boss_at.z]) difference() {
            cylinder(d = boss, h = boss_at.z);
            translate([0, 0, -0.01]) cylinder(d = post_pilot, h = boss_at.z - 0.6);
        }
    }
}

// The parts as boxes of the room that is kept for them.
module ghosts(labelled) {
    for (i = [0 : len(parts) - 1]) {
        p = parts[i];
        color(p[7], p[3] == "air" ? 0.4 : 1) translate(p[1]) cube(p[2]);
        if (labelled && p[2].x > 10) color("black") translate([p[1].x + 2, p[1].y + p[2].y / 2 - 2, p[1].z + p[2].z])
            linear_extrude(0.3) text(p[0], size = min(5, p[2].x / len(p[0]) * 1.05));
    }
}

if (show == "base") base();
if (show == "front") translate([0, inner.y, inner.z + front]) rotate([180, 0, 0]) front();
if (show == "open") { color("DarkGray") base(); ghosts(true); }
if (show == "closed") { color("DarkGray") base(); color("gainsboro") front(); ghosts(false); }
if (show == "behind") translate([0, inner.y, inner.z + front]) rotate([180, 0, 0]) {
    color("gainsboro") front();
    for (p = parts) if (p[3] == "front") {
        color(p[7]) translate(p[1]) cube(p[2]);
        if (p[2].x > 10) color("black") translate([p[1].x + 2, p[1].y + p[2].y / 2 + 2, p[1].z]) rotate([180, 0, 0])
            linear_extrude(0.3) text(p[0], size = min(5, p[2].x / len(p[0]) * 1.05));
    }
}
