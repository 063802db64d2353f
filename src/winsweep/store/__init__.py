"""The directory of finished artifacts: what is published is whole, who may build what, and what made it."""
