"""Whether what a store holds is what was put there: everything published, ledgers, attempts and copied tables."""
