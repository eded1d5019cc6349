//! Where an index is searched.

use std::fmt;
use std::str::FromStr;

use crate::Device;

/// Where an index is searched, as it is asked for: one [`Device`], or several GPUs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum IndexDevice {
    /// The first GPU where there is one that can be used for this index, and else the CPU, which is then
    /// said aloud.
    #[default]
    Auto,
    /// The CPU.
    Cpu,
    /// The GPUs of these numbers, each once, as CUDA counts those it is shown (`CUDA_VISIBLE_DEVICES`).
    Cuda(Vec<usize>),
    /// Every GPU that CUDA is shown.
    AllCuda,
}

impl From<Device> for IndexDevice {
    fn from(device: Device) -> Self {
        match device {
            Device::Auto => Self::Auto,
            Device::Cpu => Self::Cpu,
            Device::Cuda(number) => Self::Cuda(vec![number]),
        }
    }
}

impl FromStr for IndexDevice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let refusal = || {
            "give auto, cpu, cuda:all, or cuda: and one or more numbers, such as cuda:0 or cuda:0,1"
                .to_owned()
        };
        let numbers = match text {
            "auto" => return Ok(Self::Auto),
            "cpu" => return Ok(Self::Cpu),
            "cuda:all" => return Ok(Self::AllCuda),
            _ => text.strip_prefix("cuda:").ok_or_else(refusal)?,
        };
        let numbers: Result<Vec<usize>, _> = numbers.split(',').map(str::parse).collect();
        let numbers = numbers.map_err(|_| refusal())?;
        let twice = |(at, number)| numbers[..at].contains(number);
        if numbers.iter().enumerate().any(twice) {
            return Err("each GPU may be named once".to_owned());
        }
        Ok(Self::Cuda(numbers))
    }
}

impl fmt::Display for IndexDevice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Cpu => f.write_str("cpu"),
            Self::AllCuda => f.write_str("cuda:all"),
            Self::Cuda(numbers) => {
                let numbers: Vec<_> = numbers.iter().map(usize::to_string).collect();
                write!(f, "cuda:{}", numbers.join(","))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_are_read_as_they_are_written_and_nothing_else_is() {
        for text in ["auto", "cpu", "cuda:0", "cuda:11", "cuda:0,1,3", "cuda:all"] {
            assert_eq!(text.parse::<IndexDevice>().expect(text).to_string(), text);
        }
        for text in [
            "", "gpu", "cuda", "cuda:", "cuda:0,", "cuda:x", "cuda:-1", "cuda:0 1",
        ] {
            let refusal = text.parse::<IndexDevice>().expect_err(text);
            assert!(refusal.contains("cuda:0,1"), "{refusal}");
        }
        let refusal = "cuda:1,0,1".parse::<IndexDevice>().expect_err("twice");
        assert!(refusal.contains("once"), "{refusal}");
    }

    #[test]
    fn every_device_of_the_crate_is_one_of_an_index() {
        for text in ["auto", "cpu", "cuda:2"] {
            let device: Device = text.parse().expect(text);
            assert_eq!(IndexDevice::from(device).to_string(), text);
        }
    }
}
