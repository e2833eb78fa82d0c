//! Local time in a zone, exact across changes of its clocks.

use core::fmt;

use jiff::civil::Weekday;
use jiff::tz::TimeZone;
use runnel_protocol::time::Timestamp;

use super::schema::TimeField;
use super::value::{Facts, Value};

/// A time zone of the bundled IANA database: no file of the machine is read.
#[derive(Clone, PartialEq, Eq)]
pub struct Zone {
    name: String,
    rules: TimeZone,
}

impl Zone {
    /// The zone of this name, or what to write in its place.
    ///
    /// # Errors
    /// There is no such zone.
    pub fn named(name: &str) -> Result<Self, String> {
        let rules = TimeZone::get(name).map_err(|_| {
            format!("there is no time zone {name:?}: use a name like \"Europe/Berlin\" or \"UTC\"")
        })?;
        Ok(Self {
            name: name.to_owned(),
            rules,
        })
    }

    /// What `time.` means there at this moment.
    pub(super) fn at(&self, now: Timestamp) -> Facts {
        let mut facts = TimeField::unknown();
        let seconds = i64::try_from(now.unix_seconds().0).unwrap_or(i64::MAX);
        let Ok(moment) = jiff::Timestamp::from_second(seconds) else {
            return facts;
        };
        let local = self.rules.to_datetime(moment);
        let number = |number: i8| Value::Number(number.into());
        let (hour, minute) = (local.hour(), local.minute());
        let (year, month, day) = (local.year(), local.month(), local.day());
        for (field, value) in [
            (TimeField::Hour, number(hour)),
            (
                TimeField::Clock,
                Value::text(&format!("{hour:02}:{minute:02}")),
            ),
            (TimeField::Weekday, Value::text(weekday(local.weekday()))),
            (TimeField::Day, number(day)),
            (TimeField::Month, number(month)),
            (
                TimeField::Date,
                Value::text(&format!("{year:04}-{month:02}-{day:02}")),
            ),
        ] {
            field.set(&mut facts, value);
        }
        facts
    }
}

impl fmt::Debug for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Zone({})", self.name)
    }
}

const fn weekday(day: Weekday) -> &'static str {
    match day {
        Weekday::Monday => "monday",
        Weekday::Tuesday => "tuesday",
        Weekday::Wednesday => "wednesday",
        Weekday::Thursday => "thursday",
        Weekday::Friday => "friday",
        Weekday::Saturday => "saturday",
        Weekday::Sunday => "sunday",
    }
}

/// A moment as it is written, like `2026-07-01T18:30:00Z` or with another offset.
pub(super) fn moment(text: &str) -> Option<Timestamp> {
    let moment: jiff::Timestamp = text.parse().ok()?;
    let micros = u64::try_from(moment.as_microsecond()).ok()?;
    Some(Timestamp::from_micros(micros))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clock(zone: &str, at: &str) -> (Value, Value) {
        let facts = Zone::named(zone).unwrap().at(moment(at).unwrap());
        let get = |field: TimeField| facts.get(field as usize).unwrap().clone();
        (get(TimeField::Clock), get(TimeField::Weekday))
    }

    #[test]
    fn clocks_change_to_the_second() {
        let text = |clock, day| (Value::text(clock), Value::text(day));
        let berlin = |at| clock("Europe/Berlin", at);
        assert_eq!(berlin("2026-03-29T00:59:59Z"), text("01:59", "sunday"));
        assert_eq!(berlin("2026-03-29T01:00:00Z"), text("03:00", "sunday"));
        assert_eq!(berlin("2026-10-25T00:30:00Z"), text("02:30", "sunday"));
        assert_eq!(berlin("2026-10-25T01:30:00Z"), text("02:30", "sunday"));
        assert_eq!(berlin("2026-12-31T23:30:00Z"), text("00:30", "friday"));
        let kathmandu = clock("Asia/Kathmandu", "2026-01-01T00:00:00Z");
        assert_eq!(kathmandu, text("05:45", "thursday"));
    }

    #[test]
    fn a_zone_that_does_not_exist_is_refused() {
        let words = Zone::named("Europe/Berln").unwrap_err();
        assert!(words.contains("Europe/Berlin"), "{words}");
    }
}
