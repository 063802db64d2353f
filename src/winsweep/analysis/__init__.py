"""What is learned from models and outputs besides win rates: response ranking, behavioural drift, styles."""
