//! How a CDN at its cap is shared by viewers: evenly, as connections do.

use super::player::Wish;

/// Steps in which wishes are told apart, in bit/s.
const STEP: f32 = 10_000.0;
/// Larger ones are one step.
const MOST_STEPS: usize = 4096;

/// Those who want about the same.
#[derive(Debug, Clone, Copy, Default)]
struct Alike {
    /// Seconds for which they ask, together.
    time: f64,
    bits: f64,
}

/// The rate at which nobody gets more, in bit/s, in a second in which the CDN sends `cap` bits at
/// most: who wants less leaves the rest to the others. Infinite where all get what they want.
pub(super) fn level(cap: f64, wishes: &[Wish]) -> f32 {
    let mut steps = vec![Alike::default(); MOST_STEPS];
    for wish in wishes.iter().filter(|wish| wish.bits > 0.0) {
        let rate = wish.bits / wish.time;
        let alike = &mut steps[((rate / STEP) as usize).min(MOST_STEPS - 1)];
        alike.time += f64::from(wish.time);
        alike.bits += f64::from(wish.bits);
    }
    let mut waiting: f64 = steps.iter().map(|alike| alike.time).sum();
    let mut left = cap;
    for alike in steps.iter().filter(|alike| alike.bits > 0.0) {
        if left / waiting * alike.time < alike.bits {
            return (left / waiting) as f32;
        }
        left -= alike.bits;
        waiting -= alike.time;
    }
    f32::INFINITY
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wish(megabits: f32, time: f32) -> Wish {
        let bits = megabits * 1e6;
        Wish { bits, time }
    }

    #[test]
    fn who_wants_little_gets_it_and_the_others_share_the_rest() {
        let wishes = [wish(1.0, 1.0), wish(4.0, 1.0), wish(9.0, 1.0)];
        assert_eq!(level(9e6, &wishes), 4e6);
        assert_eq!(level(7e6, &wishes), 3e6);
        assert_eq!(level(14e6, &wishes), f32::INFINITY);
    }

    #[test]
    fn who_comes_in_the_middle_of_a_second_gets_half_of_what_the_others_get() {
        let wishes = [wish(4.0, 1.0), wish(4.0, 0.5)];
        assert_eq!(level(3e6, &wishes), 2e6);
    }
}
