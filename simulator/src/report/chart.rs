//! Charts as inline SVG.

use core::fmt::Write as _;

use crate::bounds::number;

const WIDTH: f64 = 900.0;
const HEIGHT: f64 = 220.0;
const LEFT: f64 = 64.0;
const BOTTOM: f64 = 24.0;
const TOP: f64 = 20.0;
/// Told apart by people who see fewer colours as well.
const COLOURS: [&str; 3] = ["#0b6e99", "#d9730d", "#9b2d5e"];

/// One value a second.
pub(super) struct Line {
    pub(super) name: &'static str,
    pub(super) values: Vec<f64>,
}

/// Lines over time; the transient is shaded.
pub(super) struct Chart {
    pub(super) unit: &'static str,
    pub(super) warmup: u64,
    pub(super) lines: Vec<Line>,
}

impl Chart {
    pub(super) fn svg(&self) -> String {
        let all = self
            .lines
            .iter()
            .flat_map(|line| line.values.iter().copied());
        let top = nice(all.fold(0.0, f64::max));
        let count = self
            .lines
            .iter()
            .map(|line| line.values.len())
            .max()
            .unwrap_or(0);
        let across = (WIDTH - LEFT) / number(count.saturating_sub(1).max(1) as u64);
        let mut svg = frame(self.unit, top);
        let shaded = number(self.warmup) * across;
        let _ = write!(
            svg,
            "<rect x=\"{LEFT}\" y=\"{TOP}\" width=\"{shaded:.1}\" height=\"{:.1}\" fill=\"#8899aa\" opacity=\".12\"/>",
            HEIGHT - TOP - BOTTOM
        );
        for (place, line) in self.lines.iter().enumerate() {
            svg.push_str(&drawn(line, place, across, top));
        }
        let _ = write!(
            svg,
            "<text x=\"{LEFT}\" y=\"{HEIGHT}\" {SMALL}>0 s</text><text x=\"{WIDTH}\" y=\"{HEIGHT}\" text-anchor=\"end\" {SMALL}>{count} s</text></svg>"
        );
        svg
    }
}

const SMALL: &str = "font-size=\"12\" fill=\"#5b6b7a\"";

fn frame(unit: &str, top: f64) -> String {
    let bottom = HEIGHT - BOTTOM;
    format!(
        "<svg viewBox=\"0 0 {WIDTH} {}\" role=\"img\"><path d=\"M{LEFT} {TOP}V{bottom}H{WIDTH}\" fill=\"none\" stroke=\"#b8c4ce\"/>\
         <text x=\"{}\" y=\"{}\" text-anchor=\"end\" {SMALL}>{top}</text><text x=\"{}\" y=\"{bottom}\" text-anchor=\"end\" {SMALL}>0 {unit}</text>",
        HEIGHT + 4.0,
        LEFT - 6.0,
        TOP + 8.0,
        LEFT - 6.0
    )
}

fn drawn(line: &Line, place: usize, across: f64, top: f64) -> String {
    let colour = COLOURS[place % COLOURS.len()];
    let mut points = String::new();
    for (at, value) in line.values.iter().enumerate() {
        let (x, y) = (LEFT + number(at as u64) * across, height(*value, top));
        let _ = write!(points, "{x:.1},{y:.1} ");
    }
    let x = LEFT + 12.0 + 130.0 * number(place as u64);
    let name = line.name;
    format!(
        "<polyline points=\"{points}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.8\"/>\
         <text x=\"{x}\" y=\"14\" font-size=\"13\" fill=\"{colour}\">{name}</text>"
    )
}

/// Named values beside each other.
pub(super) fn bars(unit: &str, values: &[(String, f64)]) -> String {
    let top = nice(values.iter().map(|(_, value)| *value).fold(0.0, f64::max));
    let each = (WIDTH - LEFT) / number(values.len().max(1) as u64);
    let mut svg = frame(unit, top);
    for (place, (name, value)) in values.iter().enumerate() {
        let x = LEFT + number(place as u64) * each + each * 0.15;
        let (y, width) = (height(*value, top), each * 0.7);
        let tall = HEIGHT - BOTTOM - y;
        let middle = x + width / 2.0;
        let _ = write!(
            svg,
            "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{tall:.1}\" fill=\"{}\"/>\
             <text x=\"{middle:.1}\" y=\"{HEIGHT}\" text-anchor=\"middle\" {SMALL}>{name}</text>\
             <text x=\"{middle:.1}\" y=\"{:.1}\" text-anchor=\"middle\" {SMALL}>{value:.0}</text>",
            COLOURS[0],
            y - 4.0
        );
    }
    svg.push_str("</svg>");
    svg
}

fn height(value: f64, top: f64) -> f64 {
    HEIGHT - BOTTOM - (HEIGHT - BOTTOM - TOP) * (value / top).clamp(0.0, 1.0)
}

/// The next of 1, 2, 5, 10, 20 …
fn nice(value: f64) -> f64 {
    if value <= 0.0 {
        return 1.0;
    }
    let power = 10f64.powf(value.log10().floor());
    let steps = [1.0, 2.0, 5.0, 10.0].map(|step| step * power);
    steps
        .into_iter()
        .find(|step| *step >= value)
        .unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_axis_ends_at_a_round_number() {
        assert_eq!(
            [0.0, 0.7, 3.0, 99.0, 101.0].map(nice),
            [1.0, 1.0, 5.0, 100.0, 200.0]
        );
    }

    #[test]
    fn a_chart_has_a_point_for_each_second() {
        let chart = Chart {
            unit: "%",
            warmup: 1,
            lines: vec![Line {
                name: "share",
                values: vec![0.0, 50.0, 100.0],
            }],
        };
        let svg = chart.svg();
        assert!(svg.contains("64.0,196.0 482.0,108.0 900.0,20.0"), "{svg}");
        assert!(svg.ends_with("</svg>"));
    }
}
