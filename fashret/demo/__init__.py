"""Drawn garments: products of eleven categories, their shop photos and their street photos.

In: a seed. Out: pictures. From the bottom up: `shapes` is geometry; `fabrics` colours and patterns; `cuts`, `upper`,
`lower`, `footwear`, `accessories` and `styles` the shapes of garments; `catalogue` decides which products exist;
`canvas`, `trims` and `drawing` turn a product into a sprite; `camera` is light and lens; `figures` dresses people and
`backdrops` gives them places; `scenes` makes the two kinds of photo. `stages/demo.py` writes the photos and their
manifest; `layouts` lays them out like public datasets.
"""
