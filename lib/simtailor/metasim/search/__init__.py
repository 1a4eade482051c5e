"""Population search: where in the attributes' whole range do the target images lie?

A gradient sees only its surroundings: an object that is turned by half a circle, or lies
outside the picture, gives none that helps. So before the gradient, every image of a part of
the target looks for the rendered scene that is nearest to it (analysis by synthesis). All
images share one population: a scene that is rendered for one image serves any other that it
fits better than what that image has. New scenes come from the best ones so far by small
moves, by mixing two of them, and by drawing one attribute anew from its whole range, as in
evolution strategies (Rechenberg 1973; Hansen, "The CMA evolution strategy", 2016).

The nearest scenes are a rough sample of the target's attributes, with all its modes. From
it come the starts of the generator.

``population`` is the search itself. Its parts: ``archive`` keeps the best match of every image,
``proposals`` makes new scenes, ``refinement`` moves matches to their images, ``second_thoughts``
tries other values where a match is poor, and ``modes`` tests groups of poses. All their numbers
stand in ``policy``.
"""
