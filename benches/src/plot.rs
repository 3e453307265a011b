//! The plot of `docs/performance.svg`: the cost of `validate` against the size of the payload, both axes logarithmic,
//! so that a cost in proportion to the size is a line that rises as the grid does.

use std::fmt::Write as _;

use anyhow::Context;

use crate::numbers::{Numbers, Point};
use crate::requests::{ANNOTATED_CONTAINERS, PLAIN_CONTAINERS};

const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 440.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 610.0;
const TOP: f64 = 46.0;
const BOTTOM: f64 = 380.0;

/// How far apart labels must be.
const LINE_HEIGHT: f64 = 17.0;

/// The colours follow the reader's, also where the file is shown as an image. The lines differ in their dashes, too.
const STYLE: &str = "\
  text { font: 13px system-ui, sans-serif; fill: #57606a; }
  .title { font-size: 15px; font-weight: 600; }
  .grid { stroke: #57606a; stroke-opacity: 0.25; }
  .line { fill: none; stroke-width: 2.5; stroke-linejoin: round; }
  .plain { stroke: #1a7f37; } text.plain, circle.plain { fill: #1a7f37; stroke: none; }
  .annotated { stroke: #0969da; } text.annotated, circle.annotated { fill: #0969da; stroke: none; }
  .baseline { stroke: #bc4c00; stroke-dasharray: 7 4; } text.baseline, circle.baseline { fill: #bc4c00; stroke: none; }
  @media (prefers-color-scheme: dark) {
    text { fill: #9da7b3; }
    .grid { stroke: #9da7b3; }
    .plain { stroke: #3fb950; } text.plain, circle.plain { fill: #3fb950; }
    .annotated { stroke: #58a6ff; } text.annotated, circle.annotated { fill: #58a6ff; }
    .baseline { stroke: #f0883e; } text.baseline, circle.baseline { fill: #f0883e; }
  }
";

struct Line {
    class: &'static str,
    label: &'static str,
    /// Bytes and microseconds.
    points: Vec<(f64, f64)>,
}

/// The plot as the text of an SVG file; the same for the same numbers.
///
/// # Errors
///
/// When the numbers lack the series with more and more containers.
pub(crate) fn svg(numbers: &Numbers) -> anyhow::Result<String> {
    let series = |name: &str| {
        let mut named = numbers.scaling.iter().filter(|series| series.name == name);
        let found = named.next().filter(|series| !series.points.is_empty());
        found.with_context(|| format!("there are no numbers for {name}"))
    };
    let line = |class, label, points: &[Point], cost: fn(&Point) -> f64| Line {
        class,
        label,
        points: points
            .iter()
            .map(|point| (point.bytes as f64, cost(point)))
            .collect(),
    };
    let plain = &series(PLAIN_CONTAINERS)?.points;
    let annotated = &series(ANNOTATED_CONTAINERS)?.points;
    let lines = [
        line("annotated", "annotated pod", annotated, |point| {
            point.policy
        }),
        line("baseline", "baseline accepts", plain, |point| {
            point.baseline
        }),
        line("plain", "un-annotated pod", plain, |point| point.policy),
    ];
    Ok(draw(&lines))
}

fn draw(lines: &[Line]) -> String {
    let all = || lines.iter().flat_map(|line| &line.points);
    let bytes = Axis::around(all().map(|(bytes, _)| *bytes), LEFT, RIGHT);
    let time = Axis::around(all().map(|(_, time)| *time), BOTTOM, TOP);

    let mut body = String::new();
    let mut push = |element: String| {
        body.push_str(&element);
        body.push('\n');
    };
    for value in bytes.ticks() {
        let x = bytes.place(value);
        push(format!(
            r#"<line class="grid" x1="{x:.1}" y1="{TOP}" x2="{x:.1}" y2="{BOTTOM}"/>"#
        ));
        push(format!(
            r#"<text x="{x:.1}" y="{}" text-anchor="middle">{}</text>"#,
            BOTTOM + 20.0,
            value / 1000.0
        ));
    }
    for value in time.ticks() {
        let y = time.place(value);
        push(format!(
            r#"<line class="grid" x1="{LEFT}" y1="{y:.1}" x2="{RIGHT}" y2="{y:.1}"/>"#
        ));
        push(format!(
            r#"<text x="{}" y="{:.1}" text-anchor="end">{value}</text>"#,
            LEFT - 8.0,
            y + 4.0
        ));
    }
    for line in lines {
        let class = line.class;
        let mut corners = String::new();
        for (size, cost) in &line.points {
            let (x, y) = (bytes.place(*size), time.place(*cost));
            // Writing to a String cannot fail.
            let _ = write!(corners, "{x:.1},{y:.1} ");
            push(format!(
                r#"<circle class="{class}" cx="{x:.1}" cy="{y:.1}" r="3.5"/>"#
            ));
        }
        push(format!(
            r#"<polyline class="line {class}" points="{}"/>"#,
            corners.trim_end()
        ));
    }
    for (line, y) in labels(lines, &time) {
        push(format!(
            r#"<text class="{}" x="{}" y="{:.1}">{}</text>"#,
            line.class,
            RIGHT + 10.0,
            y + 4.0,
            line.label
        ));
    }
    let middle = f64::midpoint(LEFT, RIGHT);
    format!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img">
<title>The cost of an evaluation against the size of the pod</title>
<style>
  {STYLE}</style>
<text class="title" x="{LEFT}" y="24">Cost of one evaluation, in microseconds</text>
<text x="{middle}" y="{}" text-anchor="middle">size of the payload in KB: pods with 1 to 200 containers</text>
{body}</svg>
"#,
        BOTTOM + 46.0
    )
}

/// Where the label of each line is: at its end, but never on another.
fn labels<'a>(lines: &'a [Line], time: &Axis) -> Vec<(&'a Line, f64)> {
    let mut labels: Vec<_> = lines
        .iter()
        .filter_map(|line| {
            line.points
                .last()
                .map(|(_, cost)| (line, time.place(*cost)))
        })
        .collect();
    labels.sort_by(|(_, first), (_, second)| first.total_cmp(second));
    for index in 1..labels.len() {
        labels[index].1 = labels[index].1.max(labels[index - 1].1 + LINE_HEIGHT);
    }
    labels
}

/// Maps values to places by their logarithm.
struct Axis {
    lowest: f64,
    highest: f64,
    from: f64,
    to: f64,
}

impl Axis {
    /// With some room at both ends.
    fn around(values: impl Iterator<Item = f64> + Clone, from: f64, to: f64) -> Self {
        Self {
            lowest: values.clone().fold(f64::INFINITY, f64::min) / 1.3,
            highest: values.fold(0.0, f64::max) * 1.3,
            from,
            to,
        }
    }

    fn place(&self, value: f64) -> f64 {
        let share = (value / self.lowest).ln() / (self.highest / self.lowest).ln();
        self.from + share * (self.to - self.from)
    }

    /// 1, 2 and 5 times the powers of ten.
    fn ticks(&self) -> Vec<f64> {
        let powers = (0..9).map(|exponent| 10_f64.powi(exponent));
        powers
            .flat_map(|power| [1.0, 2.0, 5.0].map(|factor| factor * power))
            .filter(|value| (self.lowest..=self.highest).contains(value))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_factor_is_the_same_distance_everywhere() {
        let axis = Axis {
            lowest: 1.0,
            highest: 1000.0,
            from: 0.0,
            to: 300.0,
        };
        assert_eq!(axis.place(10.0).round(), 100.0);
        assert_eq!(axis.place(100.0).round(), 200.0);
        assert_eq!(axis.ticks().len(), 10);
    }

    #[test]
    fn labels_of_lines_that_end_together_stay_apart() {
        let line = |label, cost| Line {
            class: "plain",
            label,
            points: vec![(1.0, 1.0), (10.0, cost)],
        };
        let lines = [line("first", 100.0), line("second", 99.0)];
        let axis = Axis {
            lowest: 1.0,
            highest: 100.0,
            from: BOTTOM,
            to: TOP,
        };
        let labels = labels(&lines, &axis);
        assert_eq!(labels[0].0.label, "first");
        assert!(labels[1].1 - labels[0].1 >= LINE_HEIGHT);
    }
}
