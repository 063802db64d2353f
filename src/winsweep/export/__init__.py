"""A finished cell as a model directory for others: weights, chat template, model card and results."""
