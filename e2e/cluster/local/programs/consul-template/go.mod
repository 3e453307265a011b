module programs/consul-template

go 1.26.4

tool github.com/hashicorp/consul-template

require github.com/hashicorp/consul-template v0.42.1
