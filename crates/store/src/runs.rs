//! Archive runs and their progress.
