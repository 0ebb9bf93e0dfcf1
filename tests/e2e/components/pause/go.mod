module metallb-cluster/pause

go 1.26.0
