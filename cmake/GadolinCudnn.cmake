# cuDNN 9 headers: the toolkit, the usual system folders, a Python nvidia-cudnn wheel. The library itself is opened at
# run time, from beside the headers found here or from the loader's path.
function(gadolin_find_cudnn)
  find_path(GADOLIN_CUDNN_HEADERS cudnn_graph.h
    HINTS ENV CUDNN_HOME /usr/local/cuda /usr/local /usr/include/x86_64-linux-gnu
    PATH_SUFFIXES include targets/x86_64-linux/include)
  if(NOT GADOLIN_CUDNN_HEADERS)
    execute_process(COMMAND python3 -c "import nvidia.cudnn, os; print(list(nvidia.cudnn.__path__)[0])"
      OUTPUT_VARIABLE wheel OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
    if(wheel AND EXISTS ${wheel}/include/cudnn_graph.h)
      set(GADOLIN_CUDNN_HEADERS ${wheel}/include CACHE PATH "" FORCE)
    endif()
  endif()
  if(GADOLIN_CUDNN_HEADERS)
    set(GADOLIN_CUDNN_INCLUDE ${GADOLIN_CUDNN_HEADERS} PARENT_SCOPE)
  endif()
endfunction()
