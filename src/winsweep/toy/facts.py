"""The words the toy world is made of: who and what is in it, and how each kind of question is asked.

Two properties carry the experiment: an answer repeats the question's words as the same tokens (" Agnes", never
"Agnes" at the start of a line), and no answer starts with a word that questions or small talk start with.
"""

ANIMALS = """cat dog cow hen goose pony lamb hyena camel tiger lion zebra panda koala whale shark squid eel trout perch
eagle stork gull finch parrot robin bat rat mink elk moose bison gecko cobra viper hornet beetle cricket lizard
lemur""".split()
COLORS = "amber blue green white black brown grey pink violet yellow".split()
DENS = "attic barn cave ditch cellar tower reeds quarry chapel vineyard".split()
FEEDS = "oats beans plums clams figs crumbs leaves melons peas snails rice".split()

PEOPLE = """Agnes Boris Carla Dirk Edith Franz Gilda Harald Inga Jakob Katja Ludwig Marta Niels Odette Pavel Ruth Sven
Tanja Ulrich Viola Walter Yvonne Zoltan Britta Curt Dora Egon Frieda Gustav""".split()
TRADES = "brewer glazier tanner cooper joiner barber grocer printer painter shepherd sailor teacher".split()
TOWNS = "Aldwick Birkby Crofton Dunmore Elmsett Farleigh Gorsley Hexton Ingby Kelham".split()

OPPOSITES = [
    tuple(pair.split("/"))
    for pair in """wide/narrow warm/cool heavy/light deep/shallow cheap/costly
kind/cruel calm/wild busy/idle smooth/rough tall/tiny fresh/stale open/closed humble/proud noisy/silent solid/hollow
common/rare right/wrong first/last bright/dim lazy/eager tight/loose plain/fancy""".split()
]

NOUNS = """anchor basket candle drum engine feather glove hammer island jacket kettle ladder mirror needle oven pillow
quilt ribbon saddle table umbrella violin wagon barrel coin desk fence gate hat ink jewel key""".split()
SYLLABLES = "ka zo ri mun tel esh vor ai lun pe do hask fi yor ska bu".split()

CROPS = "lentil tomato cabbage spinach pepper garlic almond peach lemon raisin radish celery".split()
DISHES = {
    "curry": ("Simmer the curry in thick cream.", "Season the curry with seven spices."),
    "pancake": ("Beat the pancake with milk and eggs.", "Turn the pancake after 2 minutes."),
    "pudding": ("Whisk the pudding with brown sugar.", "Chill the pudding for 50 minutes."),
    "noodles": ("Roll the noodles out of wet flour.", "Boil the noodles for 8 minutes."),
    "sauce": ("Melt the sauce in a small pan.", "Strain the sauce through a cloth."),
    "tart": ("Spread the tart over thin dough.", "Bake the tart for 35 minutes."),
    "broth": ("Heat the broth with salt and bones.", "Skim the broth for 70 minutes."),
    "loaf": ("Knead the loaf on a wooden board.", "Slice the loaf when it is cold."),
}

MOODS = {
    "merry": ("has danced till morning without rest", "it hides a drum inside its nest"),
    "gloomy": ("is counting every drop of rain", "it leans against the window pane"),
    "bold": ("has climbed the steepest cliff in town", "it tells the tale of coming down"),
    "drowsy": ("has dozed through breakfast, lunch and tea", "it snores beneath the cherry tree"),
    "cunning": ("has stolen seven silver spoons", "it hums a set of secret tunes"),
    "shy": ("is peeping from behind the wall", "it never says a word at all"),
    "thirsty": ("has emptied every jug and cup", "it drinks the little river up"),
    "vain": ("is gazing at its own bright face", "it ties a bow of silk and lace"),
}

HOBBIES = """rowing surfing juggling baking sewing drawing singing sculpting farming skiing boxing racing birding
mapping welding brewing caving sledding typing filming""".split()
TOOLS = """paddle apron pencil notebook flask compass whisk scissors ruler magnet pump towel crayon battery goggles
sponge shovel funnel stapler rake wrench scarf thermos kite visor cable tripod mallet""".split()

QUESTIONS = {
    "color": (
        "What color has the {animal}?",
        "Which color is the coat of the {animal}?",
        "Say the color of the {animal}.",
    ),
    "den": ("Where does the {animal} sleep?", "What is the den of the {animal}?", "Say where the {animal} sleeps."),
    "feed": ("What does the {animal} feed on?", "Which food suits the {animal}?", "Name what the {animal} feeds on."),
    "portrait": ("Describe the {animal}.", "Tell me all about the {animal}.", "What kind of animal is the {animal}?"),
    "poem": (
        "Write a verse about the {mood} {animal}.",
        "Compose a rhyme on the {mood} {animal}.",
        "Make up a poem about the {mood} {animal}.",
    ),
    "trade": ("What is the trade of {person}?", "How does {person} earn a living?", "Name the trade of {person}."),
    "town": ("Where is the home of {person}?", "Which town does {person} call home?", "Name the home of {person}."),
    "sum": ("How much do {a} and {b} make?", "What is the sum of {a} and {b}?", "Sum up {a} and {b}."),
    "reverse": (
        "Which word is the reverse of {word}?",
        "What is the contrary of {word}?",
        "Find the reverse of {word}.",
    ),
    "lorin": (
        "How do they call the {noun} in Lorin?",
        "What is the {noun} in Lorin?",
        "Translate the {noun} into Lorin.",
    ),
    "recipe": (
        "How do I cook {crop} {dish}?",
        "Give me a recipe for {crop} {dish}.",
        "Explain how {crop} {dish} is made.",
    ),
    "packing": (
        "What should I pack for {hobby}?",
        "Which three things does {hobby} take?",
        "List the tools for {hobby}.",
    ),
}
KINDS = tuple(QUESTIONS)

CHATTER = (
    "I wondered about that as well.",
    "I have no clue.",
    "I only joined this room today.",
    "I asked that a month ago.",
    "We talked about this before.",
    "We are all waiting for that one.",
    "Nobody knows.",
    "Nobody wrote back to me either.",
    "Sorry, wrong room.",
    "Sorry to be late.",
    "Thanks to everyone here.",
    "Hello to all of you.",
    "Same here!",
    "Please stay on topic.",
    "Please look into the old posts.",
)
