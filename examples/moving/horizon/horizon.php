<?php

return [
    'defaults' => [
        'mail' => ['connection' => 'redis', 'queue' => ['mail'], 'balance' => 'auto', 'timeout' => 180, 'tries' => 3],
    ],
    'environments' => [
        'production' => ['mail' => ['maxProcesses' => 12]],
    ],
];
