# Doxygen's input filter: comments as this house writes them become comments that Doxygen reads. Every line stays on its line.
#   // text            above a declaration is about that declaration. When it ends in a colon, it is about all that follow
#                      without a blank line, as far as they say nothing themselves.
#   code;  // text     is about what stands on the line; lines that are comment alone and lie deeper go on with it.
#   // --- text ---    is a heading.
#   // text            above #pragma once is about the file.
# Comments are plain text: only `names` in backticks and indented lines are shown as they are.

function plain(text) {
  gsub(/[\\@<>&#%]/, "\\\\&", text)
  while (match(text, /`[^`]+`/))
    text = substr(text, 1, RSTART - 1) "<tt>" substr(text, RSTART + 1, RLENGTH - 2) "</tt>" substr(text, RSTART + RLENGTH)
  gsub(/et al\. /, "et al.\\ ", text)  # no end of a sentence
  return text
}
function indent_of(line) { match(line, /^ */); return RLENGTH }
# Where the comment behind some code begins; 0 without one. A // within a string is none.
function trailing(line, at, from, before, quotes) {
  from = 0
  while ((at = index(substr(line, from + 1), "//")) > 0) {
    at += from
    before = substr(line, 1, at - 1)
    quotes = gsub(/"/, "\"", before)
    if (quotes % 2 == 0) return at
    from = at + 1
  }
  return 0
}
function close_section() {
  if (!section) return ""
  section = 0
  return "/**@}*/ "
}

# `double x = 0, y = 0;` with the text behind each of the names.
function behind_each(code, text, i, c, depth, out) {
  for (i = 1; i <= length(code); ++i) {
    c = substr(code, i, 1)
    if (index("([{<", c)) ++depth
    if (index(")]}>", c)) --depth
    if (depth == 0 && (c == "," || (c == ";" && i == length(code)))) out = out " /**< " text " */"
    out = out c
  }
  return out
}
# Whether code declares several names.
function several(code, i, c, depth) {
  if (code !~ /[;,]$/ || code ~ /\) *:|->|operator|^ *(using|template|friend|return|for|if)/) return 0
  for (i = 1; i <= length(code); ++i) {
    c = substr(code, i, 1)
    if (index("([{<", c)) ++depth
    if (index(")]}>", c)) --depth
    if (depth == 0 && c == ",") return 1
  }
  return 0
}

{
  line = $0
  if (line == "#pragma once") { print "/// \\file"; next }
  if (line ~ /^ *\/\/ ?(clang-format|IWYU|NOLINT)/) { print; next }

  # A heading.
  if (line ~ /^ *\/\/ --- /) {
    sub(/^ *\/\/ --- /, "", line)
    sub(/ *-*$/, "", line)
    closing = close_section()
    section = 1
    shared = block = ""
    print closing "/** \\name " plain(line) " */ /**@{*/"
    next
  }
  # A line of comment alone.
  if (line ~ /^ *\/\//) {
    text = line
    sub(/^ *\/\/ ?/, "", text)
    if (behind && indent_of(line) > behind_indent) { print "///< " plain(text); next }
    shared = ""
    if (text ~ /^  /) {  # shown line by line
      shown = plain(text)
      gsub(/  /, "\\&nbsp; ", shown)
      shown = "<br>" shown
    } else {
      shown = plain(text)
    }
    block = (block == "" ? "" : block " ") shown
    block_ends = text
    print "/// " shown
    next
  }
  behind = 0
  # A comment above all of these lines.
  above = block
  if (block != "" && block_ends ~ /:$/) { shared = block; shared_indent = indent_of(line); first = 1 }
  block = ""
  if (line ~ /^ *$/ || line ~ /^ *(public|protected|private):/) shared = ""

  at = trailing(line)
  if (line ~ /^(};|} *\/\/ namespace)/ || line ~ /^namespace/) line = close_section() line
  code = line
  text = ""
  if (at > 0 && line !~ /^ *(#|namespace|} *(\/|;))/ && line !~ /^\/\*\*@/) {
    text = plain(substr(line, at + 2))
    sub(/^ */, "", text)
    code = substr(line, 1, at - 1)
    sub(/ *$/, "", code)
  }
  # Several names, perhaps on several lines.
  about = text != "" ? text : going_on != "" ? going_on : above
  if (about == "" && shared != "" && indent_of(line) == shared_indent) about = shared
  if (about != "" && (going_on != "" || several(code))) {
    going_on = code ~ /,$/ && code !~ /^ *[A-Za-z_0-9]+( = [^,]*)?,$/ ? about : ""
    behind = text != ""
    behind_indent = indent_of(line)
    print behind_each(code, about)
    next
  }
  if (text != "") {
    behind_indent = indent_of(line)
    if (code ~ /{$/ && code ~ /^ *(class|struct|enum|template)/) {  # of what begins here
      print "/** " text " */ " code
    } else {
      print code " ///< " text
      behind = 1
    }
    next
  }
  # A type of one line: the text is about its member too.
  if (line ~ /^ *(template <.*> )?struct .*{ .*; };$/ && above shared != "") sub(/{ /, "{ /** " (above == "" ? shared : above) " */ ", line)
  # What every type has.
  if (line ~ /operator==\(.*= default;$/) { print line " ///< Whether all members are equal."; next }
  if (line ~ /\(const [A-Za-z]+&\) = default;$/) { print line " ///< A copy."; next }
  if (line ~ /\([A-Za-z]+&&\) noexcept( = default)?;$/) { print line " ///< Takes over what the other holds."; next }
  if (shared != "" && !first && indent_of(line) == shared_indent && line !~ /^ *[})]/) {
    print "/** " shared " */ " line
    next
  }
  first = 0
  if (above != "" && line ~ /^ *enum .*} [a-z_]+( = .*)?;$/) { print line " ///< " above; next }
  print line
}
