"""What the server does once, after loading the libraries, so that none of its forks has to."""

import gc
import inspect

inspect.getmodule(inspect.currentframe())  # finds the file of each module; sybil asks for some
gc.freeze()  # no collection looks at what is loaded
