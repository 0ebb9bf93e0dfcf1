//! The numbers of failover in the file of the numbers: a profile, and what is to differ from it. Owns which of them make
//! sense together; what they do is told in docs/failover.md.

use std::time::Duration;

use metallb_protocol::failover::Settings;
use serde::Deserialize;

use super::{ConfigError, number, time};

/// The beat travels as a number of milliseconds, and a slower one than this finds nobody sooner than memberlist.
const BEAT_MOST: Duration = Duration::from_secs(1);
/// A faster one is late before it is sent.
const BEAT_LEAST: Duration = Duration::from_millis(5);
/// Who is told more rarely than this is of no use when its turn comes.
const OTHERS_EVERY_MOST: usize = 8;
/// So many are listened to when they ask about one member.
const NEIGHBOURS_MOST: usize = 16;

/// The part `Failover` of the file. A name that is not one of these is refused: nobody else has this part.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase", deny_unknown_fields)]
pub(super) struct Numbers {
    profile: Profile,
    beat_interval: Option<String>,
    watchers: Option<u16>,
    others_every: Option<u16>,
    third_nodes: Option<u16>,
    nudge_after: Option<String>,
    nudge_every: Option<String>,
    ask_after: Option<String>,
    look_for: Option<String>,
    declare_after: Option<String>,
    declare_unconfirmed_after: Option<String>,
    give_up_after: Option<String>,
    knock_every: Option<String>,
    late_tick: Option<String>,
    ask_others_for: Option<String>,
    join_for: Option<String>,
    burst: Option<u16>,
}

/// Where the numbers begin.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Profile {
    #[default]
    Default,
    Fast,
}

impl Numbers {
    /// What they say, if they agree with each other.
    pub(super) fn settings(self) -> Result<Settings, ConfigError> {
        let mut settings = match self.profile {
            Profile::Default => Settings::default(),
            Profile::Fast => Settings::fast(),
        };
        let times = [
            (
                "Failover.BeatInterval",
                self.beat_interval,
                &mut settings.beat_interval,
            ),
            ("Failover.NudgeAfter", self.nudge_after, &mut settings.nudge_after),
            ("Failover.NudgeEvery", self.nudge_every, &mut settings.nudge_every),
            ("Failover.AskAfter", self.ask_after, &mut settings.ask_after),
            ("Failover.LookFor", self.look_for, &mut settings.look_for),
            (
                "Failover.DeclareAfter",
                self.declare_after,
                &mut settings.declare_after,
            ),
            (
                "Failover.DeclareUnconfirmedAfter",
                self.declare_unconfirmed_after,
                &mut settings.declare_unconfirmed_after,
            ),
            (
                "Failover.GiveUpAfter",
                self.give_up_after,
                &mut settings.give_up_after,
            ),
            ("Failover.KnockEvery", self.knock_every, &mut settings.knock_every),
            ("Failover.LateTick", self.late_tick, &mut settings.late_tick),
            (
                "Failover.AskOthersFor",
                self.ask_others_for,
                &mut settings.ask_others_for,
            ),
            ("Failover.JoinFor", self.join_for, &mut settings.join_for),
        ];
        for (field, given, place) in times {
            time(field, given, place)?;
        }
        number(self.watchers, &mut settings.watchers);
        number(self.others_every, &mut settings.others_every);
        number(self.third_nodes, &mut settings.third_nodes);
        number(self.burst, &mut settings.burst);
        agreeing(settings)
    }
}

/// Numbers with which a dead member is found and a live one is left alone.
fn agreeing(settings: Settings) -> Result<Settings, ConfigError> {
    let beat = settings.beat_interval;
    if !(BEAT_LEAST..=BEAT_MOST).contains(&beat) {
        return Err(ConfigError::Range {
            field: "Failover.BeatInterval",
            given: format!("{beat:?}"),
            range: format!("{BEAT_LEAST:?} to {BEAT_MOST:?}"),
        });
    }
    for (field, given, least, most) in [
        ("Failover.Watchers", settings.watchers, 1, NEIGHBOURS_MOST),
        (
            "Failover.OthersEvery",
            settings.others_every,
            1,
            OTHERS_EVERY_MOST,
        ),
        ("Failover.ThirdNodes", settings.third_nodes, 0, NEIGHBOURS_MOST),
        ("Failover.Burst", settings.burst, 1, 1_024),
    ] {
        if !(least..=most).contains(&given) {
            return Err(ConfigError::Range {
                field,
                given: given.to_string(),
                range: format!("{least} to {most}"),
            });
        }
    }
    // Each stage of the judgement begins no sooner than the one before it, and none before a beat can have been missed.
    let stages = [
        ("Failover.BeatInterval", settings.beat_interval),
        ("Failover.NudgeAfter", settings.nudge_after),
        ("Failover.AskAfter", settings.ask_after),
        ("Failover.DeclareAfter", settings.declare_after),
        (
            "Failover.DeclareUnconfirmedAfter",
            settings.declare_unconfirmed_after,
        ),
        ("Failover.GiveUpAfter", settings.give_up_after),
    ];
    for pair in stages.windows(2) {
        if let [(sooner, first), (later, second)] = pair
            && first > second
        {
            return Err(ConfigError::Order {
                sooner,
                first: *first,
                later,
                second: *second,
            });
        }
    }
    Ok(settings)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(json: &str) -> Result<Settings, String> {
        let numbers: Numbers = serde_json::from_str(json).map_err(|error| error.to_string())?;
        numbers.settings().map_err(|error| error.to_string())
    }

    #[test]
    fn a_profile_is_where_the_numbers_begin() {
        let ms = Duration::from_millis;
        for (json, expected) in [
            ("{}", Settings::default()),
            (r#"{"Profile": "default"}"#, Settings::default()),
            (r#"{"Profile": "fast"}"#, Settings::fast()),
            (
                r#"{"Profile": "fast", "DeclareAfter": "90ms", "ThirdNodes": 0}"#,
                Settings {
                    declare_after: ms(90),
                    third_nodes: 0,
                    ..Settings::fast()
                },
            ),
        ] {
            assert_eq!(settings(json).unwrap(), expected, "{json}");
        }
    }

    #[test]
    fn every_number_can_be_given() {
        let json = r#"{"BeatInterval": "5ms", "Watchers": 2, "OthersEvery": 3, "ThirdNodes": 4, "NudgeAfter": "5ms", "NudgeEvery": "4ms",
            "AskAfter": "5ms", "LookFor": "6ms", "DeclareAfter": "7ms", "DeclareUnconfirmedAfter": "8ms",
            "GiveUpAfter": "9ms", "KnockEvery": "10ms", "LateTick": "11ms", "AskOthersFor": "12ms", "JoinFor": "13ms",
            "Burst": 14}"#;
        let ms = Duration::from_millis;
        let expected = Settings {
            beat_interval: ms(5),
            watchers: 2,
            others_every: 3,
            third_nodes: 4,
            nudge_after: ms(5),
            nudge_every: ms(4),
            ask_after: ms(5),
            look_for: ms(6),
            declare_after: ms(7),
            declare_unconfirmed_after: ms(8),
            give_up_after: ms(9),
            knock_every: ms(10),
            late_tick: ms(11),
            ask_others_for: ms(12),
            join_for: ms(13),
            burst: 14,
        };
        assert_eq!(settings(json).unwrap(), expected);
    }

    #[test]
    fn numbers_that_make_no_sense_are_refused_with_their_names() {
        for (json, expected) in [
            (
                r#"{"DeclareAfter": "0s"}"#,
                "parsing Failover.DeclareAfter \"0s\" in memberlist config file: ",
            ),
            (
                r#"{"BeatInterval": "150ms"}"#,
                "Failover.NudgeAfter is 105ms in memberlist config file, and must not be less than \
                 Failover.BeatInterval, which is 150ms",
            ),
            (
                r#"{"Profile": "fast", "GiveUpAfter": "100ms"}"#,
                "Failover.GiveUpAfter is 100ms in memberlist config file, and must not be less than \
                 Failover.DeclareUnconfirmedAfter, which is 300ms",
            ),
            (
                r#"{"BeatInterval": "1ms"}"#,
                "Failover.BeatInterval is 1ms in memberlist config file, and must be within 5ms to 1s",
            ),
            (
                r#"{"Watchers": 0}"#,
                "Failover.Watchers is 0 in memberlist config file, and must be within 1 to 16",
            ),
            (
                r#"{"Profile": "faster"}"#,
                "unknown variant `faster`, expected `default` or `fast`",
            ),
            (
                r#"{"BeatIntervall": "50ms"}"#,
                "unknown field `BeatIntervall`, expected one of ",
            ),
        ] {
            let error = settings(json).unwrap_err();
            assert!(error.contains(expected), "{json}: {error}");
        }
    }
}
