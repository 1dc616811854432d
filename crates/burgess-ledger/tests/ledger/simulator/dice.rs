//! The only randomness of the fault tests.

/// SplitMix64: a seed is all a run depends on, apart from how its threads interleave.
#[derive(Clone)]
pub struct Dice(pub u64);

impl Dice {
    /// 64 bits, each of them a coin.
    pub fn coins(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn roll(&mut self, sides: u64) -> u64 {
        self.coins() % sides
    }
}
