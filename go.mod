module crossfade

go 1.26.8
