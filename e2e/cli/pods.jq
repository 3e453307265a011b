# What e2e.bats checks of pods and of the patches that the policy answers with.

# The names and positions of a JSON pointer (RFC 6901).
def pointer: split("/")[1:] | map(gsub("~1"; "/") | gsub("~0"; "~"));

# The key of an object, or the position in a list, that a name of a pointer stands for: one that is there.
def existing($name):
  if type == "object" and has($name) then $name
  elif type == "array" and ($name | test("^(0|[1-9][0-9]*)$")) and ($name | tonumber) < length then $name | tonumber
  else error("there is no \($name) in \(type)") end;

# Changes what holds the value at the end of the names; change gets its name as $last.
def in_parent($names; change):
  if ($names | length) == 1 then change
  else existing($names[0]) as $key | .[$key] = (.[$key] | in_parent($names[1:]; change)) end;

def add_at($names; $value):
  ($names | last) as $last
  | if $names == [] then $value
    else in_parent($names;
      if type == "object" then .[$last] = $value
      elif type == "array" and $last == "-" then . + [$value]
      elif type == "array" and ($last | test("^(0|[1-9][0-9]*)$")) and ($last | tonumber) <= length then
        ($last | tonumber) as $place | .[:$place] + [$value] + .[$place:]
      else error("nothing can be added at \($last) in \(type)") end)
    end;

def remove_at($names): ($names | last) as $last | in_parent($names; del(.[existing($last)]));

def replace_at($names; $value):
  ($names | last) as $last
  | if $names == [] then $value else in_parent($names; .[existing($last)] = $value) end;

# The object with the operations of a patch (RFC 6902) carried out, of which a difference has these three.
def patched($patch):
  reduce $patch[] as $operation (.;
    ($operation.path | pointer) as $names
    | if $operation.op == "add" then add_at($names; $operation.value)
      elif $operation.op == "remove" then remove_at($names)
      elif $operation.op == "replace" then replace_at($names; $operation.value)
      else error("unknown operation \($operation.op)") end);

# What came of a request, of which this is the response.
def outcome($request):
  if .uid != $request.uid then error("the response is one to \(.uid)")
  elif .patchType != (if has("patch") then "JSONPatch" else null end) then error("the patch is of type \(.patchType)")
  else . end
  | (.patch // "W10=" | @base64d | fromjson) as $patch
  | {submitted: $request.object, response: ., patch: $patch, pod: ($request.object | patched($patch))};

# The only item of a list.
def only($what): if length == 1 then .[0] else error("\(length) of \($what), expected 1") end;

def container_names: [.spec.containers[].name];
def init_container_names: [.spec.initContainers[]?.name];
def all_containers: [.spec.initContainers[]?, .spec.containers[]];
def injected_containers: [all_containers[] | select(.name | startswith("tvsi-"))];
def container($name): [all_containers[] | select(.name == $name)] | only("container \($name)");
def volume($name): [.spec.volumes[] | select(.name == $name)] | only("volume \($name)");

# Of a container: the mounts of a volume, and the volume that is mounted at a path.
def mounts_of($volume): [.volumeMounts[]? | select(.name == $volume)];
def volume_at($path): [.volumeMounts[]? | select(.mountPath == $path)] | only("mount at \($path)") | .name;

# What a program gets of a string in which Kubernetes expands $(VAR) and makes $ of $$. Every $ of the policy's is
# doubled there: a single one is an error.
def expanded:
  split("$$") | if any(.[]; contains("$")) then error("a $ that is not doubled") else join("$") end;

# Of a container: the value of an environment variable.
def variable($name): [.env[] | select(.name == $name)] | only("variable \($name)") | .value | expanded;

def agent_configuration($container): container($container) | variable("TVSI_AGENT_CONFIG") | fromjson;
def agent_configuration: agent_configuration("tvsi-vault-agent");
# What the agent logs in with.
def login: (agent_configuration | .auto_auth[0].method[0].config[0]);
def consul_template_configuration:
  container("tvsi-consul-template") | variable("TVSI_CONSUL_TEMPLATE_CONFIG") | fromjson;

# Where a file in a container comes from: the kind of object, its name and the key in it.
def origin_of($file; $container):
  . as $pod
  | [$pod | container($container).volumeMounts[] | select(.mountPath as $path | $file | startswith($path + "/"))]
  | only("mount of \($file)") as $mount
  | $pod | volume($mount.name)
  | [(.projected.sources[]?, {secret: (.secret // empty)}) | to_entries[]
     | .key as $kind | .value | (.name // .secretName) as $name
     | .items[]? | select("\($mount.mountPath)/\(.path)" == $file) | [$kind, $name, .key]]
  | only("source of \($file)");

# For people: without the text of the scripts, and what nothing here is about.
def readable:
  walk(
    if type == "object" then del(.managedFields, .patch)
    elif type == "string" and startswith("#!/bin/sh") then "#!/bin/sh ..."
    else . end);
