# Blocks of a Markdown page: what stands between ```KIND and ```.

# next_block(KIND): takes the first block of that kind off `text`, which holds what is left of a page. `block` then is
# what it holds, `before` what stood in front of it; `block_found` is FALSE when there is none.
macro(next_block kind)
  set(block_found FALSE)
  string(FIND "${text}" "\n```${kind}\n" block_at)
  if(NOT block_at EQUAL -1)
    set(block_found TRUE)
    string(LENGTH "\n```${kind}\n" block_head)
    math(EXPR block_at "${block_at} + ${block_head}")
    string(SUBSTRING "${text}" 0 ${block_at} before)
    string(SUBSTRING "${text}" ${block_at} -1 text)
    string(FIND "${text}" "```" block_at)
    string(SUBSTRING "${text}" 0 ${block_at} block)
    string(SUBSTRING "${text}" ${block_at} -1 text)
  endif()
endmacro()

# blocks_of(FILE KIND VARIABLE): all of them, one behind the other.
function(blocks_of file kind variable)
  file(READ ${file} text)
  string(PREPEND text "\n")
  set(all "")
  next_block(${kind})
  while(block_found)
    string(APPEND all "${block}")
    next_block(${kind})
  endwhile()
  set(${variable} "${all}" PARENT_SCOPE)
endfunction()
