"""What a study will take before anything is spent: times, GPU-hours, judgements, dollars."""
