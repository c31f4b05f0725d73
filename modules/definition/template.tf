# Rendering. What a template asks for and nobody gives, and JSON that is none, is told with file, line and state, which
# Terraform's own errors do not know. A state is recognised by its Type: `"Train": {"Type": "Task"`, also behind other
# plain fields such as Comment. None of this is evaluated while all is well.

locals {
  _source   = file(var.file)
  _values   = merge(var.variables, var.template)
  _rendered = try(endswith(var.file, ".tftpl") ? templatefile(var.file, local._values) : local._source, null)

  _taken = sort(setintersection(keys(var.template), keys(var.variables)))

  # Where nothing of the following finds the cause, Terraform's own words tell it.
  _text = local._rendered != null || length(local._unknown) > 0 ? local._rendered : templatefile(var.file, local._values)

  definition = try(jsondecode(local._text), null)

  # A string of JSON, in a template with its ${…}.
  _string  = "\"(?:[^\"\\\\$]|\\\\.|[$]\\{[^{}]*(?:\\{[^{}]*\\}[^{}]*)*\\}|[$])*\""
  _opening = "(\"((?:[^\"\\\\$]|\\\\.|[$]\\{[^{}]*(?:\\{[^{}]*\\}[^{}]*)*\\}|[$])*)\"\\s*:\\s*\\{(?:\\s*\"\\w+\"\\s*:\\s*(?:${local._string}|[0-9.]+|true|false|null)\\s*,)*\\s*\"Type\"\\s*:\\s*\"(?:Choice|Fail|Map|Parallel|Pass|Succeed|Task|Wait)\")"
}

# What the template asks for.
locals {
  _expressions = local._rendered != null ? [] : distinct(regexall("[$%]\\{[^{}]*(?:\\{[^{}]*\\}[^{}]*)*\\}", replace(local._source, "/[$][$]\\{|%%\\{/", "")))
  _loops       = flatten([for expression in local._expressions : regexall("\\bfor\\s+(\\w+)\\s*(?:,\\s*(\\w+))?\\s+in\\b", expression)])
  _words       = ["else", "endfor", "endif", "false", "for", "if", "in", "null", "true"]

  # Of each expression, without the text that is quoted in it, the names with their first attribute, which may be written
  # as an index: not those of functions, which a bracket follows.
  _asked = flatten([for expression in local._expressions : [
    for name in regexall("[^.\\w-]([A-Za-z_][\\w-]*)(?:\\.([A-Za-z_][\\w-]*))?(\\(?)", replace(replace(replace(replace(expression, "(", "( "), "/\\[\\s*\"([A-Za-z_][\\w-]*)\"\\s*\\]/", ".$1"), "/\"[^\"$]*\"/", "()"), "/\"[^\"$]*[$]\\{|\\}[^\"$]*\"/", " ")) :
    { expression = expression, name = name[0], attribute = name[1] }
    if name[2] == "" && !contains(local._loops, name[0]) && !contains(local._words, name[0])
  ]])
  _unknown = [for found in local._asked : {
    expression = found.expression
    name       = contains(keys(local._values), found.name) ? "${found.name}.${found.attribute}" : found.name
    } if !contains(keys(local._values), found.name) || !(found.attribute == null || found.attribute == "" || can(local._values[found.name][found.attribute]))
  ]

  _unknown_problems = distinct([for found in local._unknown : format(
    "%s, line %d, state %s: the template needs the variable %s, which is not given. %s: %s (definitions/README.md).",
    var.file,
    length(split("\n", split(found.expression, local._source)[0])),
    concat(
      [for opening in regexall(local._opening, local._source) : jsonencode(opening[1]) if strcontains(opening[1], found.expression)],
      reverse([for opening in regexall(local._opening, split(found.expression, local._source)[0]) : jsonencode(opening[1])]),
      ["(in front of all states)"],
    )[0],
    found.name,
    strcontains(found.name, ".") ? "Use one that is" : "Give it in ${var.settings}.variables, or use one that the module gives",
    join(", ", strcontains(found.name, ".") ? [for attribute in try(keys(local._values[split(".", found.name)[0]]), []) : "${split(".", found.name)[0]}.${attribute}"] : keys(local._values)),
  )])
}

# JSON that is none: the text up to a state, with the brackets closed that are open there, is JSON; the first place at
# which it is not, or at which brackets of the state before are still open, lies behind the state with the mistake.
locals {
  _openings = local._text == null || local.definition != null ? [] : regexall(local._opening, local._text)
  _fronts   = [for opening in local._openings : split(opening[0], local._text)[0]]

  # Only the brackets, S for that of a States object; pairs are taken out from the inside to the outside.
  _brackets = [for front in local._fronts : replace(replace(replace(front, "/\"States\"\\s*:\\s*\\{/", "§"), "/\"(?:[^\"\\\\]|\\\\.)*\"/", ""), "/[^{}\\[\\]§]/", "")]
  _pair     = "/\\{\\}|\\[\\]|§\\}/"
  _open_1   = [for text in local._brackets : replace(replace(replace(replace(replace(replace(text, local._pair, ""), local._pair, ""), local._pair, ""), local._pair, ""), local._pair, ""), local._pair, "")]
  _open_2   = [for text in local._open_1 : replace(replace(replace(replace(replace(replace(text, local._pair, ""), local._pair, ""), local._pair, ""), local._pair, ""), local._pair, ""), local._pair, "")]
  _open     = [for text in local._open_2 : replace(replace(replace(replace(replace(replace(text, local._pair, ""), local._pair, ""), local._pair, ""), local._pair, ""), local._pair, ""), local._pair, "")]

  _is_json_up_to = [for index, front in local._fronts : endswith(local._open[index], "§") && can(jsondecode(join("", [
    replace(front, "/\\s*,?\\s*$/", ""),
    replace(replace(replace(strrev(local._open[index]), "§", "}"), "{", "}"), "[", "]"),
  ])))]
  _broken = concat([for index, is_json in local._is_json_up_to : index if !is_json], [length(local._openings)])[0]

  _json_problems = local._text == null || local.definition != null ? [] : [
    "${var.file}, state ${local._broken == 0 ? "(in front of all states)" : jsonencode(local._openings[local._broken - 1][1])}: the definition is no valid JSON there: look for a bracket, quote or comma too many or too few, and put values in through jsonencode."
  ]
}
