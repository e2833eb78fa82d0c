//! What no distribution can do better, for given uplinks: the yardsticks of `docs/TREES.md`.

use runnel_protocol::units::BitsPerSecond;

/// The highest rate at which everybody can be served: `min{u_s, (u_s + Σu_i) / N}`. The source
/// has to send the stream once, and all uplinks together have to carry it `N` times.
pub fn max_rate(
    source: BitsPerSecond,
    uplinks: impl IntoIterator<Item = BitsPerSecond>,
) -> BitsPerSecond {
    let (sum, count) = uplinks
        .into_iter()
        .fold((u128::from(source.0), 0u128), |(sum, count), uplink| {
            (sum + u128::from(uplink.0), count + 1)
        });
    let shared = sum.checked_div(count).unwrap_or(u128::MAX);
    BitsPerSecond(u64::try_from(shared).unwrap_or(u64::MAX).min(source.0))
}

/// A depth below which no set of `stripes` trees can reach everybody; `None` where the uplinks do
/// not suffice at all.
///
/// `source` and `widest_first` count stripes that can be sent at a time. Through depth `d` at most
/// `P(d) = source + (uplink of the P(d - 1) widest)` places exist, since who feeds somebody at
/// depth `d` has a place above it, and `N × stripes` places are needed.
pub fn least_depth(source: u64, widest_first: &[u64], stripes: u8) -> Option<u32> {
    let needed = widest_first.len() as u64 * u64::from(stripes);
    let (mut places, mut depth, mut feeding, mut sum) = (0, 0, 0, source);
    while places < needed {
        let able = usize::try_from(places).unwrap_or(usize::MAX);
        let next = able.min(widest_first.len());
        sum += widest_first[feeding..next].iter().sum::<u64>();
        feeding = next;
        if sum <= places {
            return None;
        }
        places = sum;
        depth += 1;
    }
    Some(depth)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_bounded_by_the_source_and_by_everybodys_share() {
        let megabits = |count: u64| BitsPerSecond(count * 1_000_000);
        let wide = [megabits(9), megabits(9), megabits(9)];
        assert_eq!(max_rate(megabits(3), wide), megabits(3));
        let narrow = [megabits(1), megabits(0), megabits(2)];
        assert_eq!(max_rate(megabits(3), narrow), megabits(2));
        assert_eq!(max_rate(megabits(3), []), megabits(3));
    }

    #[test]
    fn the_depth_follows_from_how_fast_places_multiply() {
        assert_eq!(least_depth(4, &[4], 4), Some(1));
        // One stripe, a fan-out of two: 2 + 4 + 8 places.
        assert_eq!(least_depth(2, &[2; 14], 1), Some(3));
        assert_eq!(least_depth(2, &[2; 15], 1), Some(4));
        // Four stripes: eight places at once, the eight there feed thirty-two.
        assert_eq!(least_depth(8, &[4; 10], 4), Some(2));
        assert_eq!(least_depth(2, &[0, 0, 0], 1), None);
        assert_eq!(least_depth(0, &[9], 1), None);
    }
}
