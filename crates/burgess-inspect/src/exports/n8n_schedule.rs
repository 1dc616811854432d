//! Schedules of n8n's trigger nodes, in three generations.

use serde_json::Value;

use crate::facts::Trigger;
use crate::json::text_at;

/// The schedules of a trigger node: `scheduleTrigger` (rules), `cron` (times) or `interval`.
pub(super) fn schedules(node: &Value, short: &str, at: &str) -> Vec<(Trigger, String)> {
    let mut out = Vec::new();
    for (path, list) in [
        ("rule/interval", "/parameters/rule/interval"),
        ("triggerTimes/item", "/parameters/triggerTimes/item"),
    ] {
        for (index, rule) in node
            .pointer(list)
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .enumerate()
        {
            let (every, time) = if path.starts_with("rule") {
                rule_times(rule)
            } else {
                cron_times(rule)
            };
            let trigger = Trigger {
                every: Some(every),
                at: time,
                ..Trigger::of("schedule")
            };
            out.push((trigger, format!("{at}/parameters/{path}/{index}")));
        }
    }
    if out.is_empty() {
        let (unit, default) = if short == "interval" {
            ("Second", 1)
        } else {
            ("Day", 1)
        };
        let unit = match text_at(node, "/parameters/unit") {
            "minutes" => "Minute",
            "hours" => "Hour",
            _ => unit,
        };
        let count = node
            .pointer("/parameters/interval")
            .and_then(Value::as_u64)
            .unwrap_or(default);
        let trigger = Trigger {
            every: Some(format!("{count} {unit}")),
            ..Trigger::of("schedule")
        };
        out.push((trigger, at.to_owned()));
    }
    out
}

/// One rule of `scheduleTrigger`: field, interval, and the time of day.
fn rule_times(rule: &Value) -> (String, Option<String>) {
    let field = text_at(rule, "/field");
    let (unit, key) = match field {
        "seconds" => ("Second", "secondsInterval"),
        "minutes" => ("Minute", "minutesInterval"),
        "hours" => ("Hour", "hoursInterval"),
        "weeks" => ("Week", "weeksInterval"),
        "months" => ("Month", "monthsInterval"),
        "cronExpression" => return (format!("cron {}", text_at(rule, "/expression")), None),
        _ => ("Day", "daysInterval"),
    };
    let default = match field {
        "seconds" => 30,
        "minutes" => 5,
        _ => 1,
    };
    let count = rule.get(key).and_then(Value::as_u64).unwrap_or(default);
    let days = weekdays(rule.get("triggerAtDay"));
    let minute = number(rule, "triggerAtMinute").unwrap_or(0);
    let hour = number(rule, "triggerAtHour")
        .or_else(|| (unit == "Day" && rule.get("triggerAtMinute").is_some()).then_some(0));
    let time = hour.map(|hour| format!("{hour:02}:{minute:02}"));
    (format!("{count} {unit}"), join_time(days, time))
}

/// One item of the older `cron` node.
fn cron_times(item: &Value) -> (String, Option<String>) {
    let hour = number(item, "hour").unwrap_or(14);
    let minute = number(item, "minute").unwrap_or(0);
    let time = Some(format!("{hour:02}:{minute:02}"));
    match text_at(item, "/mode") {
        "everyMinute" => ("1 Minute".to_owned(), None),
        "everyHour" => ("1 Hour".to_owned(), None),
        "everyWeek" => (
            "1 Week".to_owned(),
            join_time(weekdays(item.get("weekday")), time),
        ),
        "everyMonth" => ("1 Month".to_owned(), time),
        "everyX" => {
            let unit = match text_at(item, "/unit") {
                "minutes" => "Minute",
                _ => "Hour",
            };
            (
                format!("{} {unit}", number(item, "value").unwrap_or(2)),
                None,
            )
        }
        "custom" => (format!("cron {}", text_at(item, "/cronExpression")), None),
        _ => ("1 Day".to_owned(), time),
    }
}

fn number(value: &Value, key: &str) -> Option<u64> {
    let value = value.get(key)?;
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}

/// Weekday numbers (0 is Sunday) or their list, by name.
fn weekdays(value: Option<&Value>) -> Option<String> {
    const NAMES: [&str; 7] = [
        "Sunday",
        "Monday",
        "Tuesday",
        "Wednesday",
        "Thursday",
        "Friday",
        "Saturday",
    ];
    let name = |value: &Value| {
        let day = value.as_u64().or_else(|| value.as_str()?.parse().ok())?;
        NAMES.get(usize::try_from(day).ok()?).copied()
    };
    let names: Vec<&str> = match value? {
        Value::Array(days) => days.iter().filter_map(name).collect(),
        day => name(day).into_iter().collect(),
    };
    (!names.is_empty()).then(|| names.join(", "))
}

fn join_time(days: Option<String>, time: Option<String>) -> Option<String> {
    match (days, time) {
        (Some(days), Some(time)) => Some(format!("{days} {time}")),
        (days, time) => days.or(time),
    }
}
