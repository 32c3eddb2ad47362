"""The sample campaign: an invented hospital's Giving Tuesday, for the demo and for looking at pages with life in them.

content/   every word and figure, as TOML and CSV: change the sample there
pictures/  the illustrations, as SVG
"""
