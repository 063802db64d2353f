"""What can be known before money is spent: each check a finding, of a model, a judge or a machine."""
