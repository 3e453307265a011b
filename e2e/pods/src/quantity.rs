//! Amounts of memory and CPU, as manifests write them.

use anyhow::{Context, Result};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

/// An amount of memory in bytes.
///
/// # Errors
///
/// If it is none.
pub fn bytes(quantity: &Quantity) -> Result<i64> {
    scaled(
        &quantity.0,
        &[("Ki", 1 << 10), ("Mi", 1 << 20), ("Gi", 1 << 30), ("", 1)],
    )
}

/// An amount of CPU in thousandths.
///
/// # Errors
///
/// If it is none.
pub fn thousandths(quantity: &Quantity) -> Result<i64> {
    scaled(&quantity.0, &[("m", 1), ("", 1000)])
}

fn scaled(text: &str, units: &[(&str, i64)]) -> Result<i64> {
    units
        .iter()
        .find_map(|(unit, factor)| {
            let number: i64 = text.strip_suffix(unit)?.parse().ok()?;
            Some(number * factor)
        })
        .with_context(|| format!("{text} is no amount that is understood here"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_count() {
        let quantity = |text: &str| Quantity(text.to_owned());
        assert_eq!(bytes(&quantity("16Mi")).unwrap(), 16 << 20);
        assert_eq!(bytes(&quantity("4096")).unwrap(), 4096);
        assert_eq!(thousandths(&quantity("250m")).unwrap(), 250);
        assert_eq!(thousandths(&quantity("2")).unwrap(), 2000);
        assert!(bytes(&quantity("much")).is_err());
    }
}
