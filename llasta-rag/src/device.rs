//! Where vectors are computed and searched.

use std::fmt;
use std::str::FromStr;

/// Where something computes, as it is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Device {
    /// The first GPU where there is one that can be used, and else the CPU, which is then said aloud.
    #[default]
    Auto,
    /// The CPU.
    Cpu,
    /// The GPU of this number, from 0, as CUDA counts those it is shown (`CUDA_VISIBLE_DEVICES`).
    Cuda(usize),
}

impl FromStr for Device {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "auto" => Ok(Self::Auto),
            "cpu" => Ok(Self::Cpu),
            _ => text
                .strip_prefix("cuda:")
                .and_then(|number| number.parse().ok())
                .map(Self::Cuda)
                .ok_or_else(|| "give auto, cpu, or cuda: and a number, such as cuda:0".to_owned()),
        }
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Cpu => f.write_str("cpu"),
            Self::Cuda(number) => write!(f, "cuda:{number}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_is_read_as_it_is_written_and_nothing_else_is() {
        for text in ["auto", "cpu", "cuda:0", "cuda:11"] {
            assert_eq!(text.parse::<Device>().expect(text).to_string(), text);
        }
        for text in ["", "gpu", "cuda", "cuda:", "cuda:x", "CPU", "cuda:-1"] {
            let refusal = text.parse::<Device>().expect_err(text);
            assert!(refusal.contains("cuda:0"), "{refusal}");
        }
    }
}
