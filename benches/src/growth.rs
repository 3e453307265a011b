//! How fast the cost grows with the size of the request, as the exponent of a power.

use crate::numbers::Point;

/// The exponents of one series: 1 where twice the bytes cost twice the time.
#[derive(Debug)]
pub(crate) struct Growth {
    /// Of the whole cost against the whole payload.
    pub(crate) whole: f64,
    /// Of what a request costs more than the smallest of its series, against the bytes that it has more. There is
    /// none where a request costs no more than that.
    pub(crate) added: Option<f64>,
}

impl Growth {
    /// Fitted over the upper half of the sizes: below, the part that all requests have in common hides the growth.
    pub(crate) fn fit(points: &[Point], cost: impl Fn(&Point) -> f64) -> Self {
        let upper = &points[points.len() / 2..];
        let smallest = &points[0];
        let whole: Vec<_> = upper
            .iter()
            .map(|point| (point.bytes as f64, cost(point)))
            .collect();
        let added: Vec<_> = whole
            .iter()
            .map(|(bytes, time)| (bytes - smallest.bytes as f64, time - cost(smallest)))
            .collect();
        let grows = added
            .iter()
            .all(|(bytes, time)| *bytes > 0.0 && *time > 0.0);
        Self {
            whole: exponent(&whole),
            added: grows.then(|| exponent(&added)),
        }
    }
}

/// The slope of the line through the logarithms that has the least squares.
fn exponent(pairs: &[(f64, f64)]) -> f64 {
    let count = pairs.len() as f64;
    let logarithms: Vec<_> = pairs.iter().map(|(x, y)| (x.ln(), y.ln())).collect();
    let mean_x = logarithms.iter().map(|(x, _)| x).sum::<f64>() / count;
    let mean_y = logarithms.iter().map(|(_, y)| y).sum::<f64>() / count;
    let covariance: f64 = logarithms
        .iter()
        .map(|(x, y)| (x - mean_x) * (y - mean_y))
        .sum();
    let variance: f64 = logarithms.iter().map(|(x, _)| (x - mean_x).powi(2)).sum();
    covariance / variance
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of a series whose requests cost what `cost` says of their bytes.
    fn growth(cost: impl Fn(f64) -> f64) -> Growth {
        let points: Vec<_> = [1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000]
            .into_iter()
            .map(|bytes| Point {
                amount: 0,
                bytes,
                policy: cost(bytes as f64),
                baseline: 0.0,
            })
            .collect();
        Growth::fit(&points, |point| point.policy)
    }

    fn assert_near(found: f64, expected: f64) {
        assert!(
            (found - expected).abs() < 0.001,
            "{found} is not {expected}"
        );
    }

    #[test]
    fn a_cost_in_proportion_has_exponent_one_and_its_square_two() {
        assert_near(growth(|bytes| 0.02 * bytes).whole, 1.0);
        assert_near(growth(|bytes| 0.02 * bytes * bytes).whole, 2.0);
    }

    #[test]
    fn what_all_requests_cost_does_not_count_as_growth() {
        let growth = growth(|bytes| 1_000.0 + 0.02 * bytes);
        assert!(growth.whole < 0.5, "{growth:?}");
        assert_near(growth.added.unwrap(), 1.0);
    }

    #[test]
    fn a_cost_that_does_not_grow_has_no_growth_to_fit() {
        let growth = growth(|_| 7.0);
        assert_near(growth.whole, 0.0);
        assert_eq!(growth.added, None);
    }
}
