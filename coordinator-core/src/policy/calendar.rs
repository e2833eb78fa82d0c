//! Local time in a zone, exact across changes of its clocks.

use core::fmt;
use core::time::Duration;

use jiff::ToSpan as _;
use jiff::civil::{Date, Time, Weekday};
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

    /// The month that it is there at this moment.
    pub fn month(&self, now: Timestamp) -> Option<Month> {
        let date = self.rules.to_datetime(at(now)?).date();
        let begins = |first: Date| {
            // Where clocks skip midnight, with the first moment after it.
            let midnight = first.to_datetime(Time::midnight());
            timestamp(self.rules.to_timestamp(midnight).ok()?)
        };
        let first = date.first_of_month();
        let next = first.checked_add(1.month()).ok()?;
        Some(Month {
            begins: begins(first)?,
            ends: begins(next)?,
        })
    }

    /// What `time.` means there at this moment.
    pub(super) fn at(&self, now: Timestamp) -> Facts {
        let mut facts = TimeField::unknown();
        let Some(moment) = at(now) else {
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

/// A month of some zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Month {
    /// Its first moment.
    pub begins: Timestamp,
    /// The first moment of the next one.
    pub ends: Timestamp,
}

impl Month {
    /// How long it is: changes of clocks count.
    pub(crate) fn length(&self) -> Duration {
        self.ends.since(self.begins)
    }
}

fn at(now: Timestamp) -> Option<jiff::Timestamp> {
    let seconds = i64::try_from(now.unix_seconds().0).ok()?;
    jiff::Timestamp::from_second(seconds).ok()
}

fn timestamp(moment: jiff::Timestamp) -> Option<Timestamp> {
    let micros = u64::try_from(moment.as_microsecond()).ok()?;
    Some(Timestamp::from_micros(micros))
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
pub fn moment(text: &str) -> Option<Timestamp> {
    timestamp(text.parse().ok()?)
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
    fn months_begin_when_they_do_there_and_are_as_long_as_they_are() {
        let month = |zone: &str, at: &str| {
            let month = Zone::named(zone).unwrap().month(moment(at).unwrap());
            let month = month.unwrap();
            (month.begins, month.length().as_secs() / 3600)
        };
        let begins = |at: &str| moment(at).unwrap();
        let berlin = |at| month("Europe/Berlin", at);
        let march = (begins("2026-02-28T23:00:00Z"), 31 * 24 - 1);
        assert_eq!(berlin("2026-03-31T21:59:59Z"), march);
        assert_eq!(berlin("2026-02-28T23:00:00Z"), march);
        let april = (begins("2026-03-31T22:00:00Z"), 30 * 24);
        assert_eq!(berlin("2026-03-31T22:00:00Z"), april);
        let october = (begins("2026-09-30T22:00:00Z"), 31 * 24 + 1);
        assert_eq!(berlin("2026-10-31T22:59:59Z"), october);
        assert_eq!(
            berlin("2026-12-31T23:00:00Z").0,
            begins("2026-12-31T23:00:00Z")
        );
        // Clocks there change by half an hour, and the zone is apart by three quarters of one.
        let howe = month("Australia/Lord_Howe", "2026-04-10T00:00:00Z");
        assert_eq!(howe, (begins("2026-03-31T13:00:00Z"), 30 * 24));
        let kathmandu = month("Asia/Kathmandu", "2026-05-01T00:00:00Z");
        assert_eq!(kathmandu.0, begins("2026-04-30T18:15:00Z"));
    }

    #[test]
    fn a_zone_that_does_not_exist_is_refused() {
        let words = Zone::named("Europe/Berln").unwrap_err();
        assert!(words.contains("Europe/Berlin"), "{words}");
    }
}
