# One static library a folder. Sources are found by name, so a new op or layer touches no build file.

add_library(gadolin_flags INTERFACE)
# Includes are written from the root of the tree. Only our own targets see it: a user's program has <gadolin/...> alone on
# its path, so that its own "data/dataset.h" stays its own.
add_library(gadolin_root INTERFACE)
target_include_directories(gadolin_root INTERFACE ${PROJECT_SOURCE_DIR})
set(warnings -Wall -Wextra -Wconversion)
if(NOT GADOLIN_UNITY)
  list(APPEND warnings -Wshadow)
elseif(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")  # one file's helper seen from another is no mistake
  list(APPEND warnings -Wshadow=local -Wno-subobject-linkage)
endif()
if(CMAKE_CXX_COMPILER_ID MATCHES "Clang")
  list(APPEND warnings -Wno-pass-failed)  # a loop that was not vectorised is no mistake; without optimisation none is
endif()
if(GADOLIN_WERROR)
  list(APPEND warnings -Werror)
endif()
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  list(APPEND warnings -Wno-restrict)  # GCC 12 sees an overlap in `"text" + std::string()` that is not there (PR 105651)
endif()
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # A collection of GCC's own garbage at every 128 MB of sixteen files took a tenth of their compiling.
  list(APPEND warnings --param=ggc-min-heapsize=1000000)
endif()
# No effect on NaN or infinity; without errno and traps the compiler may vectorise sqrt, floor and selects.
set(host_flags -fno-math-errno -fno-trapping-math)
if(GADOLIN_NATIVE)
  list(APPEND host_flags -march=native)
endif()
if(GADOLIN_SANITIZE)
  list(JOIN GADOLIN_SANITIZE "," sanitizers)
  list(APPEND host_flags -fsanitize=${sanitizers} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  if(CMAKE_CXX_COMPILER_ID MATCHES "Clang")
    # Casts say what NaN becomes (tensor/ops/copy.cu), powers of integers do not; g++'s group leaves it out as well.
    list(APPEND host_flags -fno-sanitize=float-cast-overflow)
  endif()
  target_link_options(gadolin_flags INTERFACE -fsanitize=${sanitizers})
endif()
if(GADOLIN_FUZZ)
  if(NOT CMAKE_CXX_COMPILER_ID MATCHES "Clang" OR NOT GADOLIN_SANITIZE)
    message(FATAL_ERROR "GADOLIN_FUZZ needs clang and sanitizers: configure with -DCMAKE_CXX_COMPILER=clang++-14 "
      "\"-DGADOLIN_SANITIZE=address;undefined\"")
  endif()
endif()
# Counts for the fuzzers where the readers are; tests and commands are not what they look into.
add_library(gadolin_counted INTERFACE)
target_compile_options(gadolin_counted INTERFACE $<$<AND:$<BOOL:${GADOLIN_FUZZ}>,$<COMPILE_LANGUAGE:CXX>>:-fsanitize=fuzzer-no-link>)
target_compile_options(gadolin_flags INTERFACE
  $<$<COMPILE_LANGUAGE:CXX>:${warnings} ${host_flags}>
  $<$<COMPILE_LANGUAGE:CUDA>:-Xcompiler=-Wall,-Wextra,-Wshadow$<$<BOOL:${GADOLIN_WERROR}>:,-Werror> -Xcompiler=$<JOIN:${host_flags},$<COMMA>>>)
if(GADOLIN_OPENMP)
  target_compile_options(gadolin_flags INTERFACE $<$<COMPILE_LANGUAGE:CUDA>:-Xcompiler=-fopenmp>)
endif()

# A file of ours spends most of its compiling on the headers of the standard library, nlohmann and googletest; sixteen
# files together read them once. Kernels (.cu) are heavy for what they hold themselves and stay alone. What lies in an
# anonymous namespace is named so that no two files of a target clash.
function(gadolin_unity target)
  set_target_properties(${target} PROPERTIES UNITY_BUILD ${GADOLIN_UNITY} UNITY_BUILD_BATCH_SIZE 16)
  get_target_property(sources ${target} SOURCES)
  list(FILTER sources INCLUDE REGEX "\\.cu$")
  set_source_files_properties(${sources} PROPERTIES SKIP_UNITY_BUILD_INCLUSION ON)
endfunction()

# .cu files hold kernels; with CUDA off the same text is plain C++. For the device made of software it is C++ too, read
# as nvcc reads it, and every access is seen; nvcc knows #pragma unroll and does not warn of conversions.
function(gadolin_cuda_sources)
  get_property(seen GLOBAL PROPERTY gadolin_seen_options)
  if(NOT GADOLIN_WITH_CUDA)
    foreach(file IN LISTS ARGN)
      if(file MATCHES "\\.cu$")
        set_source_files_properties(${file} PROPERTIES LANGUAGE CXX)
        if(GADOLIN_CUDA STREQUAL "SOFTWARE")
          set_source_files_properties(${file} PROPERTIES COMPILE_DEFINITIONS __CUDACC__=1
            COMPILE_OPTIONS "-include;cuda_runtime.h;-Wno-unknown-pragmas;-Wno-conversion;${seen}")
        endif()
      endif()
    endforeach()
  endif()
endfunction()

# gadolin_library(folder LINK targets...)
function(gadolin_library folder)
  cmake_parse_arguments(arg "" "" "LINK" ${ARGN})
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/${folder}/*.cpp
    ${CMAKE_CURRENT_SOURCE_DIR}/${folder}/*.cu)
  add_library(${folder} STATIC ${sources})
  set_target_properties(${folder} PROPERTIES OUTPUT_NAME gadolin_${folder})
  gadolin_cuda_sources(${sources})
  gadolin_unity(${folder})
  target_link_libraries(${folder} PUBLIC ${arg_LINK} PRIVATE $<BUILD_INTERFACE:gadolin_flags;gadolin_root;gadolin_counted>)
endfunction()

# A file that is compiled for processors with these vectors, and runs on them alone. Its products are fused with sums.
function(gadolin_vectors source)
  set_source_files_properties(${source} PROPERTIES SKIP_UNITY_BUILD_INCLUSION ON)
  if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
    set_source_files_properties(${source} PROPERTIES COMPILE_OPTIONS "${ARGN};-O3;-ffp-contract=fast")
  endif()
endfunction()

# The files that call MPI; without it they are left out, and train/processes/started_with.cpp stands for them.
function(gadolin_knows_mpi)
  set(knowing train/processes/wire.cpp train/processes/mpi_thread.cpp train/processes/mpi_communicator.cpp)
  if(NOT GADOLIN_WITH_MPI)
    set_source_files_properties(${knowing} PROPERTIES HEADER_FILE_ONLY ON)
    return()
  endif()
  set_source_files_properties(${knowing} PROPERTIES SKIP_UNITY_BUILD_INCLUSION ON)
  foreach(folder IN LISTS MPI_CXX_INCLUDE_DIRS)
    set_property(SOURCE ${knowing} APPEND PROPERTY COMPILE_OPTIONS -isystem${folder})
  endforeach()
  set_property(SOURCE ${knowing} APPEND PROPERTY COMPILE_DEFINITIONS OMPI_SKIP_MPICXX=1 MPICH_SKIP_MPICXX=1)
  set_property(SOURCE train/processes/started_with.cpp APPEND PROPERTY COMPILE_DEFINITIONS GADOLIN_MPI=1)
  set_property(SOURCE train/processes/started_with.cpp PROPERTY SKIP_UNITY_BUILD_INCLUSION ON)
endfunction()

# The files that call NCCL; without it they say that it is missing. Opened by name: nothing links to it.
function(gadolin_knows_nccl)
  if(NOT GADOLIN_WITH_NCCL)
    return()
  endif()
  set(knowing train/processes/nccl_library.cpp train/processes/nccl_sums.cpp)
  set_source_files_properties(${knowing} PROPERTIES SKIP_UNITY_BUILD_INCLUSION ON COMPILE_DEFINITIONS GADOLIN_NCCL=1)
  if(GADOLIN_NCCL_INCLUDE AND NOT GADOLIN_NCCL_INCLUDE MATCHES "^/usr/(local/)?include$")  # as above
    set_source_files_properties(${knowing} PROPERTIES COMPILE_OPTIONS -isystem${GADOLIN_NCCL_INCLUDE})
  endif()
endfunction()
