raise ValueError("this pack is broken\nin two lines")
