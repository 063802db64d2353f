"""What may be asked: a study file, read strictly, becomes cells; every value here is part of a key or a name for
people.
"""
