//! A pass on a GPU: cut where the memory is too short, and given up for good where the GPU is lost.

use std::sync::OnceLock;

use candle_core::Result as OfCandle;

use super::output::Output;
use crate::Device;

/// Why a pass gave nothing.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Failed {
    /// The next one may work.
    Pass(String),
    /// None will: what CUDA says of the GPU. Its memory is gone, and with it the weights; only a new
    /// process can have it back.
    Lost(String),
}

/// The passes of one model on one GPU.
#[derive(Debug)]
pub(super) struct Passes {
    device: Device,
    lost: OnceLock<String>,
}

impl Passes {
    pub(super) fn on(device: Device) -> Self {
        Self {
            device,
            lost: OnceLock::new(),
        }
    }

    pub(super) fn device(&self) -> Device {
        self.device
    }

    /// Runs a pass, and where it fails asks whether the GPU still answers.
    pub(super) fn run(
        &self,
        texts: &[&[u32]],
        run: &impl Fn(&[&[u32]]) -> OfCandle<Vec<Output>>,
        answers: &impl Fn() -> OfCandle<()>,
    ) -> Result<Vec<Output>, Failed> {
        if let Some(lost) = self.lost.get() {
            return Err(Failed::Lost(lost.clone()));
        }
        let error = match halving(texts, self.device, run) {
            Ok(outputs) => return Ok(outputs),
            Err(error) => error,
        };
        match answers().map_err(|silence| silence.to_string()) {
            Err(silence) if !is_lack_of_memory(&silence) => {
                let lost = first_line(&silence).to_owned();
                Err(Failed::Lost(self.lost.get_or_init(|| lost).clone()))
            }
            _ => Err(Failed::Pass(error)),
        }
    }
}

/// Runs a pass; where the memory is too short for it, its halves, and so on down to single texts.
fn halving(
    texts: &[&[u32]],
    device: Device,
    run: &impl Fn(&[&[u32]]) -> OfCandle<Vec<Output>>,
) -> Result<Vec<Output>, String> {
    let error = match run(texts) {
        Ok(outputs) => return Ok(outputs),
        Err(error) => error.to_string(),
    };
    if !is_lack_of_memory(&error) {
        return Err(format!("{device}: {}", first_line(&error)));
    }
    let tokens: usize = texts.iter().map(|text| text.len()).sum();
    if texts.len() < 2 {
        return Err(format!(
            "{device} has no memory for a text of {tokens} tokens: free some, or cut texts smaller"
        ));
    }
    tracing::warn!(
        device = %device,
        texts = texts.len(),
        tokens,
        "the GPU's memory is too short for a pass, which is done in two: give a smaller --embed-batch-tokens"
    );
    let (front, back) = texts.split_at(texts.len() / 2);
    let mut outputs = halving(front, device, run)?;
    outputs.extend(halving(back, device, run)?);
    Ok(outputs)
}

/// Whether an error of CUDA or cuBLAS says so.
pub(super) fn is_lack_of_memory(error: &str) -> bool {
    let words = ["OUT_OF_MEMORY", "ALLOC_FAILED", "out of memory"];
    words.iter().any(|word| error.contains(word))
}

/// What follows is a backtrace where there is one.
fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    fn one(ids: &[u32]) -> Output {
        Output {
            pooled: vec![ids[0] as f32],
            ..Output::default()
        }
    }

    #[test]
    fn a_pass_that_does_not_fit_is_cut_until_it_does_and_gives_the_same() {
        let ids: Vec<_> = (0..13_u32).map(|n| vec![n; 10]).collect();
        let texts: Vec<_> = ids.iter().map(Vec::as_slice).collect();
        let passes = RefCell::new(Vec::new());
        let outputs = halving(&texts, Device::Cuda(0), &|texts| {
            if texts.len() > 4 {
                candle_core::bail!("DriverError(CUDA_ERROR_OUT_OF_MEMORY, \"out of memory\")");
            }
            passes.borrow_mut().push(texts.len());
            Ok(texts.iter().map(|text| one(text)).collect())
        });
        let pooled: Vec<_> = outputs.unwrap().iter().map(|o| o.pooled[0]).collect();
        assert_eq!(pooled, (0..13).map(|n| n as f32).collect::<Vec<_>>());
        assert_eq!(*passes.borrow(), [3, 3, 3, 4]);
    }

    #[test]
    fn a_text_that_fits_alone_in_no_way_is_refused_with_its_length() {
        let ids = vec![1; 8000];
        let message = halving(&[&ids, &[2]], Device::Cuda(1), &|texts| {
            if texts.iter().any(|text| text.len() > 100) {
                candle_core::bail!("CUBLAS_STATUS_ALLOC_FAILED");
            }
            Ok(texts.iter().map(|text| one(text)).collect())
        })
        .unwrap_err();
        assert!(
            message.contains("8000") && message.contains("cuda:1"),
            "{message}"
        );
    }

    #[test]
    fn what_is_no_lack_of_memory_is_not_tried_again() {
        let tries = RefCell::new(0);
        let message = halving(&[&[1], &[2]], Device::Cuda(0), &|_| {
            *tries.borrow_mut() += 1;
            candle_core::bail!("CUDA_ERROR_ILLEGAL_ADDRESS\n  at somewhere")
        })
        .unwrap_err();
        assert_eq!(*tries.borrow(), 1);
        assert_eq!(message, "cuda:0: CUDA_ERROR_ILLEGAL_ADDRESS");
    }

    #[test]
    fn a_gpu_that_does_not_answer_after_a_failure_is_lost_and_not_asked_again() {
        let passes = Passes::on(Device::Cuda(0));
        let asked = RefCell::new(0);
        let run = |_: &[&[u32]]| {
            *asked.borrow_mut() += 1;
            candle_core::bail!("CUDA_ERROR_ASSERT in a kernel")
        };
        let silent = || candle_core::bail!("CUDA_ERROR_ASSERT\n  at somewhere");
        let failed = passes.run(&[&[1]], &run, &silent).unwrap_err();
        assert_eq!(failed, Failed::Lost("CUDA_ERROR_ASSERT".to_owned()));
        let answering = |_: &[&[u32]]| Ok(vec![one(&[1])]);
        let again = passes.run(&[&[1]], &answering, &|| Ok(())).unwrap_err();
        assert_eq!(again, failed);
        assert_eq!(*asked.borrow(), 1);
    }

    #[test]
    fn a_gpu_that_answers_or_is_only_full_is_not_lost() {
        let passes = Passes::on(Device::Cuda(0));
        let run = |_: &[&[u32]]| candle_core::bail!("an odd shape");
        let full = || candle_core::bail!("CUDA_ERROR_OUT_OF_MEMORY");
        for failed in [
            passes.run(&[&[1]], &run, &|| Ok(())).unwrap_err(),
            passes.run(&[&[1]], &run, &full).unwrap_err(),
        ] {
            assert_eq!(failed, Failed::Pass("cuda:0: an odd shape".to_owned()));
        }
        let outputs = passes.run(&[&[7]], &|texts| Ok(vec![one(texts[0])]), &full);
        assert_eq!(outputs.unwrap()[0].pooled, [7.0]);
    }
}
