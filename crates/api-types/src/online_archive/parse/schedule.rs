//! `OnlineArchiveSchedule`, tagged by `type`; all times are UTC.

use portolan_model::{InvalidSchedule, Schedule, TimeOfDay, Window};

use crate::{Fields, Problem};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Default,
    Daily,
    Weekly,
    Monthly,
}

pub(super) fn read(fields: &mut Fields) -> Result<Option<Schedule>, Problem> {
    let Some(mut object) = fields.object("schedule")? else { return Ok(None) };
    let kind = object
        .one_of("type", |text| match text {
            "DEFAULT" => Some(Kind::Default),
            "DAILY" => Some(Kind::Daily),
            "WEEKLY" => Some(Kind::Weekly),
            "MONTHLY" => Some(Kind::Monthly),
            _ => None,
        })?
        .ok_or_else(|| object.missing("type"))?;
    let schedule = match kind {
        Kind::Default => Schedule::Default,
        Kind::Daily => Schedule::Daily(window(&mut object)?),
        Kind::Weekly => {
            let day = day(&mut object, "dayOfWeek", 7)?;
            Schedule::weekly(window(&mut object)?, day).map_err(|error| refused(&error))?
        }
        Kind::Monthly => {
            let day = day(&mut object, "dayOfMonth", 31)?;
            Schedule::monthly(window(&mut object)?, day).map_err(|error| refused(&error))?
        }
    };
    object.finish()?;
    Ok(Some(schedule))
}

fn window(object: &mut Fields) -> Result<Window, Problem> {
    let start = time(object, "startHour", "startMinute")?;
    let end = time(object, "endHour", "endMinute")?;
    Window::new(start, end).map_err(|error| refused(&error))
}

fn time(object: &mut Fields, hour: &str, minute: &str) -> Result<TimeOfDay, Problem> {
    Ok(TimeOfDay {
        hour: number(object, hour, 0, 23)?.ok_or_else(|| object.missing(hour))?,
        minute: number(object, minute, 0, 59)?.unwrap_or(0),
    })
}

fn day(object: &mut Fields, name: &str, max: i64) -> Result<u8, Problem> {
    number(object, name, 1, max)?.ok_or_else(|| object.missing(name))
}

fn number(object: &mut Fields, name: &str, min: i64, max: i64) -> Result<Option<u8>, Problem> {
    Ok(object.int(name, min, max)?.and_then(|number| u8::try_from(number).ok()))
}

fn refused(error: &InvalidSchedule) -> Problem {
    let field = match error {
        InvalidSchedule::DayOfWeek => "schedule.dayOfWeek",
        InvalidSchedule::DayOfMonth => "schedule.dayOfMonth",
        InvalidSchedule::WindowTooShort | InvalidSchedule::TimeOutOfRange => "schedule",
    };
    Problem::validation(field, error.to_string())
}
