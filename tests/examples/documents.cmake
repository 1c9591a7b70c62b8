# Every command and option that the documents and the hints of errors print is known to the program, every file they link to or call exists.
#   cmake -D PROGRAM=gadolin -D ROOT=... -P documents.cmake
file(GLOB documents RELATIVE ${ROOT} ${ROOT}/docs/*.md ${ROOT}/docs/tutorial/*.md ${ROOT}/course/*.md ${ROOT}/course/*/*.md)
list(PREPEND documents README.md CONTRIBUTING.md bench/results/README.md)
set(faults "")
set(checked 0)

# Help of `command`, asked for once.
function(help_of command result)
  string(MAKE_C_IDENTIFIER "help_${command}" key)
  get_property(text GLOBAL PROPERTY ${key})
  if(NOT text)
    separate_arguments(words UNIX_COMMAND "${command}")
    execute_process(COMMAND ${PROGRAM} ${words} --help OUTPUT_VARIABLE text ERROR_VARIABLE text RESULT_VARIABLE code)
    # An unknown command beside --help gets the help of what stands before it.
    list(LENGTH words depth)
    if(NOT code EQUAL 0 OR (depth GREATER 0 AND NOT text MATCHES "Usage: gadolin ${command}[ \n]"))
      set(text "none")
    endif()
    set_property(GLOBAL PROPERTY ${key} "${text}")
  endif()
  set(${result} "${text}" PARENT_SCOPE)
endfunction()

# Whether `option` stands in a help text as a whole word.
function(has_option text option result)
  string(REGEX MATCH "${option}[^a-z-]" found "${text}")
  if(found)
    set(${result} TRUE PARENT_SCOPE)
  else()
    set(${result} FALSE PARENT_SCOPE)
  endif()
endfunction()

help_of("" general)
if(general STREQUAL "none")
  message(FATAL_ERROR "${PROGRAM} --help failed")
endif()
execute_process(COMMAND ${PROGRAM} --help-all OUTPUT_VARIABLE everything)
set(everything "${everything}")
foreach(command
    "bench op" "bench model" "bench startup" "bench processes" "bench scaling" "bench data" "bench dicom" "bench zip" "bench serve" "bench plot"
    "dicom dump" "dicom convert" "dicom index"
    "data check" "data stats" "data split" "data synth" "data synth bodypart" "data synth mammo" "data synth chest" "data synth openi" "data synth ct-series" "data convert" "data score"
    "bodypart preprocess-image" "bodypart create-database" "bodypart fetch-image" "bodypart convert-data" "bodypart train" "bodypart eval" "bodypart classify"
    "mammography convert" "mammography train" "mammography evaluate" "mammography detect" "mammography sweep" "mammography ensemble" "mammography cases" "mammography debug"
    "pipeline run"
    "nodule import" "nodule prepare" "nodule extract-features" "nodule train-model" "nodule test-model" "nodule serve"
    "chestxray prepare" "chestxray train" "chestxray test" "chestxray finetune" "chestxray predict" "chestxray cam"
    "hemorrhage img-extract" "hemorrhage create-metadata" "hemorrhage process-labels" "hemorrhage create-tf-records" "hemorrhage train" "hemorrhage extract-features" "hemorrhage train-lstm" "hemorrhage predict")
  help_of("${command}" text)
  string(APPEND everything "${text}")
endforeach()

string(APPEND everything " --bind-to --mpi ")   # mpirun's and srun's

foreach(document IN LISTS documents)
  file(READ ${ROOT}/${document} text)
  string(REGEX REPLACE "[][;]" " " plain "${text}")   # characters that CMake's lists take for their own

  # What stands behind -- of `gadolin launch` is a command of its own.
  string(REGEX REPLACE "(gadolin launch[^\n`#]*) -- " "\\1\ngadolin " plain "${plain}")
  # What stands behind -- of `gadolin grade` is for gadolin-grade.
  string(REGEX REPLACE "(gadolin grade)[^\n`#]*" "\\1" plain "${plain}")
  # `gadolin ...` in code blocks and between backticks, to the end of the line, the backtick or the comment.
  string(REGEX MATCHALL "[\n`]gadolin [a-z][^\n`#]*" calls "${plain}")
  foreach(call IN LISTS calls)
    string(REGEX REPLACE "^.gadolin " "" call "${call}")
    string(REGEX MATCH "^data synth (bodypart|mammo|chest|openi|ct-series)|^(bench|data|dicom|bodypart|nodule|mammography|chestxray|hemorrhage|pipeline) [a-z-]+|^[a-z][a-z-]+" command "${call}")
    help_of("${command}" help)
    math(EXPR checked "${checked} + 1")
    if(help STREQUAL "none")
      list(APPEND faults "${document}: gadolin ${command}: no such command")
      continue()
    endif()
    string(REGEX MATCHALL " --[a-z][a-z-]+" options "${call}")
    foreach(option IN LISTS options)
      string(STRIP "${option}" option)
      has_option("${help}${general}" "${option}" known)
      if(NOT known)
        list(APPEND faults "${document}: gadolin ${command} knows no ${option}")
      endif()
    endforeach()
  endforeach()

  # `--option` alone: some command must know it. Other pages also speak of CMake's and ctest's.
  if(document MATCHES "^docs/")
    string(REGEX MATCHALL "`--[a-z][a-z_-]+" options "${plain}")
    list(FILTER options EXCLUDE REGEX "_")   # other libraries' spelling
    foreach(option IN LISTS options)
      string(SUBSTRING "${option}" 1 -1 option)
      math(EXPR checked "${checked} + 1")
      has_option("${everything}" "${option}" known)
      if(NOT known)
        list(APPEND faults "${document}: no command knows ${option}")
      endif()
    endforeach()
  endif()

  # Links relative to the document, and scripts that it names.
  get_filename_component(folder ${ROOT}/${document} DIRECTORY)
  string(REGEX MATCHALL "\\([a-z.][A-Za-z0-9_./-]+\\.(md|png|jpg|svg|sh|py)\\)" links "${plain}")
  foreach(link IN LISTS links)
    string(REGEX REPLACE "[()]" "" link "${link}")
    if(NOT EXISTS ${folder}/${link})
      list(APPEND faults "${document}: the link ${link} leads nowhere")
    endif()
  endforeach()
  string(REGEX MATCHALL "(tools|bench)/[a-z_-]+\\.(sh|py)" scripts "${plain}")
  foreach(script IN LISTS scripts)
    if(NOT EXISTS ${ROOT}/${script})
      list(APPEND faults "${document}: there is no ${script}")
    endif()
  endforeach()
endforeach()

# The way out that a message offers: options within a string literal.
set(sources "")
foreach(room tensor io layers nets data train tasks apps)
  file(GLOB_RECURSE of_room ${ROOT}/${room}/*.c*)
  list(APPEND sources ${of_room})
endforeach()
foreach(source IN LISTS sources)
  file(READ ${source} text)
  string(REGEX REPLACE "[][;]" " " plain "${text}")
  string(REGEX MATCHALL "\"[^\"\n]* --[a-z][^\"\n]*" hints "${plain}")
  foreach(hint IN LISTS hints)
    string(REGEX MATCHALL " --[a-z][a-z-]+" options "${hint}")
    foreach(option IN LISTS options)
      string(STRIP "${option}" option)
      math(EXPR checked "${checked} + 1")
      has_option("${everything}" "${option}" known)
      if(NOT known)
        list(APPEND faults "${source}: no command knows ${option}")
      endif()
    endforeach()
  endforeach()
endforeach()

if(faults)
  list(JOIN faults "\n" faults)
  message(FATAL_ERROR "${faults}")
endif()
if(checked LESS 60)
  message(FATAL_ERROR "only ${checked} commands and options found: the patterns no longer fit the documents")
endif()
message("${checked} commands and options are known")
